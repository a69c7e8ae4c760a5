import { checkBoolAt, checkCount, checkOffset } from './codec.js'
import { ProtocolError } from './errors.js'
import { MAX_COMMITMENTS, PAGE_HEADER_SIZE, SIGNED_COMMITMENT_SIZE } from './layout.js'

/** `GetCommitmentsByNumberResponse` as packed bytes: n × 382, what the store holds and what the workers check. */

const NAME = 'GetCommitmentsByNumberResponse'

/**
 * How many commitments a response carries.
 * @throws ProtocolError `invalid_size`, `invalid_offset`, `list_too_long`, `invalid_bool`
 */
export function checkPage(response: Uint8Array): number {
  checkOffset(NAME, response, PAGE_HEADER_SIZE)
  const count = (response.length - PAGE_HEADER_SIZE) / SIGNED_COMMITMENT_SIZE
  if (!Number.isInteger(count)) {
    const message = `${NAME}: ${response.length} bytes, not ${PAGE_HEADER_SIZE} and a multiple of ${SIGNED_COMMITMENT_SIZE}`
    throw new ProtocolError('invalid_size', message, { value: response.length })
  }
  checkCount(`${NAME}.commitments`, count, MAX_COMMITMENTS)
  for (let i = 0; i < count; i++) {
    checkBoolAt(`${NAME}.commitments[${i}]`, response, PAGE_HEADER_SIZE + i * SIGNED_COMMITMENT_SIZE)
  }
  return count
}

/** The commitments of a response one after the other, n × 382 bytes, as a subarray of it. Throws as `checkPage`. */
export function viewPage(response: Uint8Array): Uint8Array {
  checkPage(response)
  return response.subarray(PAGE_HEADER_SIZE)
}

/**
 * The response that carries these commitments, each as its 382 bytes.
 * @throws ProtocolError `list_too_long` above 256, `invalid_length` for another length of one
 */
export function packPage(commitments: readonly Uint8Array[]): Uint8Array {
  checkCount(`${NAME}.commitments`, commitments.length, MAX_COMMITMENTS)
  const response = new Uint8Array(PAGE_HEADER_SIZE + commitments.length * SIGNED_COMMITMENT_SIZE)
  response[0] = PAGE_HEADER_SIZE
  commitments.forEach((bytes, i) => {
    if (bytes.length !== SIGNED_COMMITMENT_SIZE) {
      const field = `${NAME}.commitments[${i}]`
      throw new ProtocolError('invalid_length', `${field}: ${bytes.length} bytes, must be ${SIGNED_COMMITMENT_SIZE}`, {
        field, value: bytes.length, limit: SIGNED_COMMITMENT_SIZE,
      })
    }
    response.set(bytes, PAGE_HEADER_SIZE + i * SIGNED_COMMITMENT_SIZE)
  })
  return response
}
