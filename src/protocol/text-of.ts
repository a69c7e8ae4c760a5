/**
 * The text of a file that people have written: UTF-8, or what the byte order mark at its beginning says (Windows' editors and shells write one).
 * The mark itself is left out.
 */
export function textOf(bytes: Uint8Array): string {
  const [first, second] = bytes
  const encoding = first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
  return new TextDecoder(encoding).decode(bytes)
}
