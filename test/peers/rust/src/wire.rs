//! What is on the wire: names (SPEC §2), SSZ layouts and frames (§3), message ids (§5).

use std::io;

use async_trait::async_trait;
use futures::prelude::*;
use libp2p::{gossipsub, request_response, StreamProtocol};
use sha2::{Digest, Sha256};
use sha3::Keccak256;

pub const COMMITMENT_BYTES: usize = 382;
pub const MAX_COMMITMENTS: usize = 256;
pub const MAX_TXLIST_BYTES: usize = 2_097_152;
pub const MAX_GOSSIP_BYTES: usize = 10 * 1024 * 1024;
/// Hash and offset before a txlist's bytes, in gossip and in answers.
const TXLIST_HEADER: usize = 36;

/// The three request protocols, with the caps on their frames' lengths.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    Head,
    Commitments,
    TxList,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Head, Kind::Commitments, Kind::TxList];

    /// As `run --stdio` names them (docs/stdio.md).
    pub fn name(self) -> &'static str {
        match self {
            Kind::Head => "head",
            Kind::Commitments => "commitments",
            Kind::TxList => "txList",
        }
    }

    pub fn protocol(self, chain: u64) -> StreamProtocol {
        let name = match self {
            Kind::Head => "get_head",
            Kind::Commitments => "get_commitments_by_number",
            Kind::TxList => "get_raw_txlist",
        };
        StreamProtocol::try_from_owned(format!("/taiko/{chain}/preconf/1/{name}")).expect("begins with a slash")
    }

    pub fn frames(self) -> Frames {
        match self {
            Kind::Head => Frames { request: 128, response: 65_536 },
            Kind::Commitments => Frames { request: 512, response: 1_048_576 },
            Kind::TxList => Frames { request: 256, response: 2_101_248 },
        }
    }

    /// Whether a request has the layout of its container.
    pub fn request_decodes(self, request: &[u8]) -> bool {
        match self {
            Kind::Head => request == [4, 0, 0, 0],
            Kind::Commitments => request.len() == 36,
            Kind::TxList => request.len() == 32,
        }
    }

    /// Whether an answer decodes and, for a txlist, is the one that was asked for or says "not found".
    pub fn answers(self, request: &[u8], answer: &[u8]) -> bool {
        match self {
            Kind::Head => answer.len() == 64,
            Kind::Commitments => commitments_decode(answer),
            Kind::TxList => {
                answer.len() >= TXLIST_HEADER
                    && answer[..32] == *request
                    && (txlist_decodes(answer) || is_empty_txlist(answer))
            }
        }
    }
}

pub fn topics(chain: u64) -> (gossipsub::IdentTopic, gossipsub::IdentTopic) {
    let topic = |name| gossipsub::IdentTopic::new(format!("/taiko/{chain}/0/{name}"));
    (topic("preconfirmationCommitments"), topic("rawTxLists"))
}

pub fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// `SHA256(01 00 00 00 ‖ decompressed)` where the data is raw snappy of at most 10 MiB, else `SHA256(00 00 00 00 ‖ data)`; 20 bytes.
pub fn message_id(data: &[u8]) -> [u8; 20] {
    let plain = match snap::raw::decompress_len(data) {
        Ok(length) if length <= MAX_GOSSIP_BYTES => snap::raw::Decoder::new().decompress_vec(data).ok(),
        _ => None,
    };
    let (domain, bytes) = match &plain {
        Some(plain) => ([1, 0, 0, 0], plain.as_slice()),
        None => ([0; 4], data),
    };
    let digest = Sha256::new().chain_update(domain).chain_update(bytes).finalize();
    digest[..20].try_into().expect("20 of 32 bytes")
}

// ---- SSZ

/// A signed commitment: its size, and a bool that is one.
pub fn commitment_decodes(bytes: &[u8]) -> bool {
    bytes.len() == COMMITMENT_BYTES && bytes[0] <= 1
}

/// The block number of a commitment; heights beyond 2^64 do not occur here.
pub fn block_number(commitment: &[u8]) -> u64 {
    u64_at(commitment, 1)
}

/// A gossiped txlist: the offset, the bounds, and the hash that it names.
pub fn txlist_decodes(bytes: &[u8]) -> bool {
    let fits = bytes.len() > TXLIST_HEADER && bytes.len() <= TXLIST_HEADER + MAX_TXLIST_BYTES;
    fits && bytes[32..TXLIST_HEADER] == [36, 0, 0, 0] && keccak(&bytes[TXLIST_HEADER..]) == bytes[..32]
}

fn is_empty_txlist(bytes: &[u8]) -> bool {
    bytes.len() == TXLIST_HEADER && bytes[32..] == [36, 0, 0, 0]
}

fn commitments_decode(bytes: &[u8]) -> bool {
    let items = match bytes.strip_prefix(&[4, 0, 0, 0]) {
        Some(items) if items.len() % COMMITMENT_BYTES == 0 => items,
        _ => return false,
    };
    items.len() / COMMITMENT_BYTES <= MAX_COMMITMENTS && items.chunks(COMMITMENT_BYTES).all(commitment_decodes)
}

/// Start and count of a request for commitments.
pub fn range_of(request: &[u8]) -> (u64, usize) {
    let count = u32::from_le_bytes(request[32..36].try_into().expect("4 bytes")) as usize;
    (u64_at(request, 0), count.min(MAX_COMMITMENTS))
}

pub fn page_request(start: u64, count: u32) -> Vec<u8> {
    let mut bytes = vec![0; 36];
    bytes[..8].copy_from_slice(&start.to_le_bytes());
    bytes[32..].copy_from_slice(&count.to_le_bytes());
    bytes
}

pub fn head(block_number: u64, window_end: u64) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..8].copy_from_slice(&block_number.to_le_bytes());
    bytes[32..40].copy_from_slice(&window_end.to_le_bytes());
    bytes
}

/// The hash and the bytes; empty where it is not there.
pub fn txlist_answer(hash: &[u8], txlist: &[u8]) -> Vec<u8> {
    [hash, &[36, 0, 0, 0], txlist].concat()
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

// ---- frames

/// One unsigned-varint length, then the bytes; the caps are checked before anything is allocated.
#[derive(Clone, Copy)]
pub struct Frames {
    request: usize,
    response: usize,
}

#[async_trait]
impl request_response::Codec for Frames {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>> {
        read_frame(io, self.request).await
    }
    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>> {
        read_frame(io, self.response).await
    }
    async fn write_request<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T, body: Vec<u8>) -> io::Result<()> {
        write_frame(io, &body).await
    }
    async fn write_response<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T, body: Vec<u8>) -> io::Result<()> {
        write_frame(io, &body).await
    }
}

async fn read_frame<T: AsyncRead + Unpin + Send>(io: &mut T, cap: usize) -> io::Result<Vec<u8>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut length = 0usize;
    for at in 0..4 {
        let mut byte = [0];
        io.read_exact(&mut byte).await?;
        length |= usize::from(byte[0] & 0x7f) << (7 * at);
        if byte[0] & 0x80 != 0 {
            continue;
        }
        if byte[0] == 0 && at > 0 {
            return Err(invalid("a length that is not minimally encoded"));
        }
        if length > cap {
            return Err(invalid("a frame over its cap"));
        }
        let mut body = vec![0; length];
        io.read_exact(&mut body).await?;
        return Ok(body);
    }
    Err(invalid("a length of more than four bytes"))
}

async fn write_frame<T: AsyncWrite + Unpin + Send>(io: &mut T, body: &[u8]) -> io::Result<()> {
    let mut prefix = Vec::with_capacity(4);
    let mut rest = body.len();
    while rest >= 0x80 {
        prefix.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    prefix.push(rest as u8);
    io.write_all(&prefix).await?;
    io.write_all(body).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_those_of_spec_5() {
        let id = |data: &[u8]| hex::encode(message_id(data));
        assert_eq!(id(&[1, 2, 3, 4, 5]), "ff3a6e999086783f249b4a4fab9f215046152b6d");
        assert_eq!(id(&[5, 16, 1, 2, 3, 4, 5]), "316cb6b9c695764bf1bfe4e1b60cc0e88563cbf5");
        assert_eq!(id(&[0; 382]), "8bd5d8451e00810c56fd7cf93569b76b0f995a2c");
        assert_eq!(id(&[]), "df3f619804a92fdb4057192dc43dd748ea778adc");
    }

    #[test]
    fn frames_are_read_as_they_are_written() {
        for length in [0, 1, 127, 128, 16_384, 2_097_188] {
            let mut bytes = Vec::new();
            futures::executor::block_on(write_frame(&mut bytes, &vec![7; length])).unwrap();
            let read = futures::executor::block_on(read_frame(&mut bytes.as_slice(), 2_101_248)).unwrap();
            assert_eq!(read, vec![7; length]);
        }
        let read = |bytes: &[u8]| futures::executor::block_on(read_frame(&mut &bytes[..], 128));
        assert!(read(&[0x81, 0x00, 7]).is_err());
        assert!(read(&[0x81, 0x01]).is_err());
        assert!(read(&[3, 7, 7]).is_err());
    }
}
