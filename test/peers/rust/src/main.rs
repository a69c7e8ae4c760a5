//! A peer on rust-libp2p, for ../interop.ts. JSON lines on standard input and output, in the manner of docs/stdio.md:
//! `{"cmd", "id", …}` in, `{"id", "result" | "error"}` and `{"event", …, "at"}` out. Ends with its input.

mod rules;
mod wire;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use libp2p::allow_block_list::{self, BlockedPeers};
use libp2p::gossipsub::{self, MessageAcceptance, MessageAuthenticity, MessageId};
use libp2p::request_response::{self as reqres, InboundFailure, InboundRequestId, OutboundRequestId, ProtocolSupport, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, NetworkBehaviour, SwarmEvent};
use libp2p::{identify, noise, ping, tcp, yamux, Multiaddr, PeerId, Swarm, SwarmBuilder};
use serde_json::{json, Value};
use tokio::io::{AsyncBufReadExt, BufReader};

use rules::{Quota, Reputation};
use wire::{Frames, Kind};

type Failure = Box<dyn Error>;
type ReqRes = reqres::Behaviour<Frames>;
type ReqResEvent = reqres::Event<Vec<u8>, Vec<u8>>;

#[derive(NetworkBehaviour)]
struct Behaviour {
    blocked: allow_block_list::Behaviour<BlockedPeers>,
    gossip: gossipsub::Behaviour,
    head: ReqRes,
    commitments: ReqRes,
    tx_list: ReqRes,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

impl Behaviour {
    fn requests(&mut self, kind: Kind) -> &mut ReqRes {
        match kind {
            Kind::Head => &mut self.head,
            Kind::Commitments => &mut self.commitments,
            Kind::TxList => &mut self.tx_list,
        }
    }
}

/// A request of ours that is under way, and the command that wants its answer.
struct Asked {
    command: Value,
    peer: PeerId,
    request: Vec<u8>,
    began: Instant,
}

#[derive(Default)]
struct Known {
    /// The oldest first.
    connections: Vec<ConnectionId>,
    agent: String,
    protocol_version: String,
    lowest_score: f64,
}

struct Peer {
    swarm: Swarm<Behaviour>,
    topics: [gossipsub::IdentTopic; 2],
    /// One a height, whoever signed it, and the last that came, as the reference keeps them.
    commitments: BTreeMap<u64, Vec<u8>>,
    tx_lists: HashMap<Vec<u8>, Vec<u8>>,
    head: (u64, u64),
    /// What is answered to a message that decodes.
    verdict: &'static str,
    quota: Quota,
    reputation: Reputation,
    bans: Vec<(PeerId, String)>,
    known: HashMap<PeerId, Known>,
    dials: HashMap<ConnectionId, Value>,
    asked: HashMap<(Kind, OutboundRequestId), Asked>,
    /// Whole requests that are being answered.
    answering: HashSet<(Kind, InboundRequestId)>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let chain: u64 = std::env::args().nth(1).as_deref().unwrap_or("167000").parse()?;
    let (commitments, tx_lists) = wire::topics(chain);
    let topics = [commitments, tx_lists];
    let mut swarm = build(chain, &topics)?;
    for topic in &topics {
        swarm.behaviour_mut().gossip.subscribe(topic)?;
    }
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let mut peer = Peer {
        swarm,
        topics,
        commitments: BTreeMap::new(),
        tx_lists: HashMap::new(),
        head: (0, 0),
        verdict: "accept",
        quota: Quota::default(),
        reputation: Reputation::default(),
        bans: Vec::new(),
        known: HashMap::new(),
        dials: HashMap::new(),
        asked: HashMap::new(),
        answering: HashSet::new(),
    };
    let mut lines = BufReader::with_capacity(1 << 20, tokio::io::stdin()).lines();
    let mut decay = tokio::time::interval(Duration::from_secs(10));
    let mut look = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            event = peer.swarm.select_next_some() => peer.happened(event),
            line = lines.next_line() => match line? {
                Some(line) => peer.command(&line),
                None => return Ok(()),
            },
            _ = decay.tick() => peer.decay(),
            _ = look.tick() => peer.note_scores(),
        }
    }
}

fn build(chain: u64, topics: &[gossipsub::IdentTopic; 2]) -> Result<Swarm<Behaviour>, Failure> {
    let swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key| {
            let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Signed(key.clone()), rules::gossip_config())?;
            let (params, thresholds) = rules::peer_score(topics);
            gossip.with_peer_score(params, thresholds)?;
            let requests = |kind: Kind| {
                let config = reqres::Config::default().with_request_timeout(rules::ANSWER_WITHIN);
                ReqRes::with_codec(kind.frames(), [(kind.protocol(chain), ProtocolSupport::Full)], config)
            };
            Ok(Behaviour {
                blocked: Default::default(),
                gossip,
                head: requests(Kind::Head),
                commitments: requests(Kind::Commitments),
                tx_list: requests(Kind::TxList),
                identify: identify::Behaviour::new(
                    identify::Config::new("preconf-p2p/0.1".into(), key.public()).with_agent_version("rust-peer/0.1.0".into()),
                ),
                ping: Default::default(),
            })
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(rules::IDLE_CONNECTION))
        .build();
    Ok(swarm)
}

impl Peer {
    // ---- what the network does

    fn happened(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                let peer = *self.swarm.local_peer_id();
                say(json!({"event": "ready", "peerId": peer.to_string(), "addresses": [format!("{address}/p2p/{peer}")]}));
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let known = self.known.entry(peer_id).or_default();
                known.connections.push(connection_id);
                if known.connections.len() == 1 {
                    let direction = if endpoint.is_dialer() { "outbound" } else { "inbound" };
                    say(json!({"event": "peerConnected", "peer": peer_id.to_string(), "direction": direction}));
                }
                if let Some(command) = self.dials.remove(&connection_id) {
                    answer(&command, json!({"peer": peer_id.to_string()}));
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, cause, .. } => {
                if let Some(known) = self.known.get_mut(&peer_id) {
                    known.connections.retain(|each| *each != connection_id);
                }
                let cause = cause.map(|error| chain_of(&error));
                say(json!({"event": "connectionClosed", "peer": peer_id.to_string(), "left": num_established, "cause": cause}));
                if num_established == 0 {
                    say(json!({"event": "peerDisconnected", "peer": peer_id.to_string()}));
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(command) = self.dials.remove(&connection_id) {
                    refuse(&command, "dial_failed", &chain_of(&error));
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.gossiped(event),
            SwarmEvent::Behaviour(BehaviourEvent::Head(event)) => self.exchanged(Kind::Head, event),
            SwarmEvent::Behaviour(BehaviourEvent::Commitments(event)) => self.exchanged(Kind::Commitments, event),
            SwarmEvent::Behaviour(BehaviourEvent::TxList(event)) => self.exchanged(Kind::TxList, event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. })) => {
                let known = self.known.entry(peer_id).or_default();
                known.agent = info.agent_version;
                known.protocol_version = info.protocol_version;
                say(json!({"event": "peerReady", "peer": peer_id.to_string(), "agent": known.agent}));
            }
            _ => {}
        }
    }

    fn gossiped(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let commitment = message.topic == self.topics[0].hash();
                let decodes = if commitment { wire::commitment_decodes(&message.data) } else { wire::txlist_decodes(&message.data) };
                let verdict = if decodes { self.verdict } else { "reject" };
                say(json!({
                    "event": "gossip",
                    "topic": if commitment { "commitments" } else { "txLists" },
                    "key": hex::encode(key_of(commitment, &message.data)),
                    "id": hex::encode(&message_id.0),
                    "bytes": message.data.len(),
                    "from": propagation_source.to_string(),
                    "author": message.source.map(|peer| peer.to_string()),
                    "verdict": verdict,
                }));
                if verdict == "accept" {
                    self.keep(commitment, message.data);
                }
                self.report(&message_id, propagation_source, verdict);
            }
            gossipsub::Event::SlowPeer { peer_id, failed_messages } => {
                say(json!({"event": "slowPeer", "peer": peer_id.to_string(), "failed": format!("{failed_messages:?}")}));
            }
            _ => {}
        }
    }

    fn report(&mut self, id: &MessageId, source: PeerId, verdict: &str) {
        let acceptance = match verdict {
            "accept" => {
                let reputation = self.reputation.accepted(source);
                self.swarm.behaviour_mut().gossip.set_application_score(&source, reputation);
                MessageAcceptance::Accept
            }
            "ignore" => MessageAcceptance::Ignore,
            _ => {
                let reputation = self.reputation.failed(source);
                self.swarm.behaviour_mut().gossip.set_application_score(&source, reputation);
                MessageAcceptance::Reject
            }
        };
        self.swarm.behaviour_mut().gossip.report_message_validation_result(id, &source, acceptance);
    }

    fn exchanged(&mut self, kind: Kind, event: ReqResEvent) {
        match event {
            reqres::Event::Message { peer, message: reqres::Message::Request { request_id, request, channel }, .. } => {
                self.serve(kind, peer, request_id, &request, channel);
            }
            reqres::Event::Message { message: reqres::Message::Response { request_id, response }, .. } => {
                let Some(asked) = self.asked.remove(&(kind, request_id)) else { return };
                if kind.answers(&asked.request, &response) && asked.command["cmd"] == "catchUp" {
                    self.catch_up_on(asked, &response);
                } else if kind.answers(&asked.request, &response) {
                    let ms = asked.began.elapsed().as_secs_f64() * 1e3;
                    answer(&asked.command, json!({"peer": asked.peer.to_string(), "body": hex::encode(&response), "ms": ms}));
                } else {
                    refuse(&asked.command, "bad_answer", kind.name());
                    self.ban(asked.peer, format!("a {} answer that does not decode, of {} bytes", kind.name(), response.len()));
                }
            }
            reqres::Event::OutboundFailure { peer, request_id, error, .. } => {
                let Some(asked) = self.asked.remove(&(kind, request_id)) else { return };
                refuse(&asked.command, "request_failed", &chain_of(&error));
                self.ban(peer, format!("our {} request: {}", kind.name(), chain_of(&error)));
            }
            // What is no whole request costs nothing.
            reqres::Event::InboundFailure { peer, request_id, error, .. } => {
                if self.answering.remove(&(kind, request_id)) && !matches!(error, InboundFailure::ResponseOmission) {
                    self.ban(peer, format!("our {} answer: {}", kind.name(), chain_of(&error)));
                }
            }
            reqres::Event::ResponseSent { request_id, .. } => {
                self.answering.remove(&(kind, request_id));
            }
        }
    }

    /// A channel that is dropped ends the stream without data.
    fn serve(&mut self, kind: Kind, peer: PeerId, id: InboundRequestId, request: &[u8], channel: ResponseChannel<Vec<u8>>) {
        if !self.quota.take(peer, kind, Instant::now()) {
            self.ban(peer, format!("{} requests: more than {} in {:?}", kind.name(), rules::REQUESTS_PER_WINDOW, rules::WINDOW));
            return;
        }
        if !kind.request_decodes(request) {
            return;
        }
        let body = match kind {
            Kind::Head => wire::head(self.head.0, self.head.1),
            Kind::Commitments => {
                let (start, count) = wire::range_of(request);
                let page = self.commitments.range(start..).take(count).map(|(_, commitment)| commitment.as_slice());
                [[4, 0, 0, 0].as_slice()].into_iter().chain(page).collect::<Vec<_>>().concat()
            }
            Kind::TxList => wire::txlist_answer(request, self.tx_lists.get(request).map_or(&[], Vec::as_slice)),
        };
        say(json!({"event": "served", "peer": peer.to_string(), "kind": kind.name(), "bytes": body.len()}));
        self.answering.insert((kind, id));
        // A channel whose other side has gone comes back as an InboundFailure.
        let _ = self.swarm.behaviour_mut().requests(kind).send_response(channel, body);
    }

    /// One page after the other, each from as many heights further as the last one had items; what came is told at the end.
    fn catch_up(&mut self, mut command: Value) -> Result<(), Failure> {
        let peer: PeerId = text(&command, "peer")?.parse()?;
        let start: u64 = text(&command, "start")?.parse()?;
        let count: u32 = text(&command, "count")?.parse()?;
        if command["heights"].is_null() {
            command["heights"] = json!([]);
        }
        let request = wire::page_request(start, count);
        let id = self.swarm.behaviour_mut().requests(Kind::Commitments).send_request(&peer, request.clone());
        self.asked.insert((Kind::Commitments, id), Asked { command, peer, request, began: Instant::now() });
        Ok(())
    }

    fn catch_up_on(&mut self, asked: Asked, response: &[u8]) {
        let Asked { mut command, .. } = asked;
        let items: Vec<Vec<u8>> = response[4..].chunks_exact(wire::COMMITMENT_BYTES).map(<[u8]>::to_vec).collect();
        let next = text(&command, "start").ok().and_then(|start| start.parse::<u64>().ok()).unwrap_or_default() + items.len() as u64;
        let is_last = items.is_empty();
        for item in items {
            let height = wire::block_number(&item);
            if let Some(heights) = command["heights"].as_array_mut() {
                heights.push(json!(height.to_string()));
            }
            self.keep(true, item);
        }
        if is_last {
            return answer(&command, json!({"heights": command["heights"]}));
        }
        command["start"] = json!(next.to_string());
        if let Err(error) = self.catch_up(command.clone()) {
            refuse(&command, "failed", &error.to_string());
        }
    }

    /// Until the end of this process.
    fn ban(&mut self, peer: PeerId, reason: String) {
        say(json!({"event": "banned", "peer": peer.to_string(), "reason": reason}));
        self.bans.push((peer, reason));
        self.swarm.behaviour_mut().blocked.block_peer(peer);
    }

    fn keep(&mut self, commitment: bool, data: Vec<u8>) {
        if commitment {
            self.commitments.insert(wire::block_number(&data), data);
        } else {
            self.tx_lists.insert(data[..32].to_vec(), data[36..].to_vec());
        }
    }

    fn decay(&mut self) {
        for (peer, reputation) in self.reputation.decay() {
            self.swarm.behaviour_mut().gossip.set_application_score(&peer, reputation);
        }
    }

    fn note_scores(&mut self) {
        let gossip = &self.swarm.behaviour().gossip;
        for (peer, known) in &mut self.known {
            known.lowest_score = known.lowest_score.min(gossip.peer_score(peer).unwrap_or(0.0));
        }
    }

    // ---- what the test asks for

    fn command(&mut self, line: &str) {
        let command: Value = match serde_json::from_str(line) {
            Ok(command) => command,
            Err(error) => return refuse(&Value::Null, "bad_json", &error.to_string()),
        };
        match self.obey(&command) {
            Ok(Some(result)) => answer(&command, result),
            // It is answered later.
            Ok(None) => {}
            Err(error) => refuse(&command, "failed", &error.to_string()),
        }
    }

    fn obey(&mut self, command: &Value) -> Result<Option<Value>, Failure> {
        match text(command, "cmd")? {
            "dial" => {
                let address: Multiaddr = text(command, "addr")?.parse()?;
                let peer = match address.iter().last() {
                    Some(libp2p::multiaddr::Protocol::P2p(peer)) => peer,
                    _ => return Err("an address that does not end in /p2p/…".into()),
                };
                // Also where a connection exists: two are what H39 is about.
                let options = DialOpts::peer_id(peer).addresses(vec![address]).condition(PeerCondition::Always).build();
                self.dials.insert(options.connection_id(), command.clone());
                self.swarm.dial(options)?;
                return Ok(None);
            }
            "closeOldest" => {
                let peer: PeerId = text(command, "peer")?.parse()?;
                let oldest = self.known.get(&peer).and_then(|known| known.connections.first()).ok_or("not connected")?;
                self.swarm.close_connection(*oldest);
            }
            "publish" => {
                let commitment = text(command, "topic")? == "commitments";
                let data = hex::decode(text(command, "data")?)?;
                let topic = self.topics[usize::from(!commitment)].hash();
                // What it publishes itself it does not store, as the reference does not.
                let id = self.swarm.behaviour_mut().gossip.publish(topic, data)?;
                return Ok(Some(json!({"id": hex::encode(id.0)})));
            }
            "store" => {
                for data in hex_list(command, "commitments")? {
                    self.keep(true, data);
                }
                for tx_list in hex_list(command, "txLists")? {
                    self.tx_lists.insert(wire::keccak(&tx_list).to_vec(), tx_list);
                }
            }
            "updateHead" => self.head = (text(command, "blockNumber")?.parse()?, text(command, "submissionWindowEnd")?.parse()?),
            "verdict" => {
                let verdicts = ["accept", "ignore", "reject"];
                let wanted = text(command, "verdict")?;
                self.verdict = verdicts.into_iter().find(|each| *each == wanted).ok_or("no such verdict")?;
            }
            "request" => {
                let wanted = text(command, "kind")?;
                let kind = Kind::ALL.into_iter().find(|kind| kind.name() == wanted).ok_or("no such kind")?;
                let peer: PeerId = text(command, "peer")?.parse()?;
                let request = hex::decode(text(command, "body")?)?;
                let id = self.swarm.behaviour_mut().requests(kind).send_request(&peer, request.clone());
                self.asked.insert((kind, id), Asked { command: command.clone(), peer, request, began: Instant::now() });
                return Ok(None);
            }
            "catchUp" => {
                self.catch_up(command.clone())?;
                return Ok(None);
            }
            "peers" => {
                self.note_scores();
                return Ok(Some(json!({"peers": self.peers()})));
            }
            "bans" => {
                let bans = self.bans.iter().map(|(peer, reason)| json!({"peer": peer.to_string(), "reason": reason}));
                return Ok(Some(json!({"bans": bans.collect::<Vec<_>>()})));
            }
            other => return Err(format!("no such command: {other}").into()),
        }
        Ok(Some(json!({})))
    }

    fn peers(&self) -> Vec<Value> {
        let gossip = &self.swarm.behaviour().gossip;
        let in_mesh = |topic: usize, peer: &PeerId| gossip.mesh_peers(&self.topics[topic].hash()).any(|each| each == peer);
        let of = |(peer, known): (&PeerId, &Known)| {
            json!({
                "peer": peer.to_string(),
                "connections": known.connections.len(),
                "agent": known.agent,
                "protocolVersion": known.protocol_version,
                "mesh": {"commitments": in_mesh(0, peer), "txLists": in_mesh(1, peer)},
                "score": gossip.peer_score(peer),
                "lowestScore": known.lowest_score,
            })
        };
        self.known.iter().map(of).collect()
    }
}

/// What names a message in the accounts of the test: keccak of a commitment's preconfirmation, or the txlist's hash.
fn key_of(commitment: bool, data: &[u8]) -> Vec<u8> {
    match (commitment, data.len()) {
        (true, wire::COMMITMENT_BYTES) => wire::keccak(&data[..297]).to_vec(),
        (false, 36..) => data[..32].to_vec(),
        _ => Vec::new(),
    }
}

fn text<'a>(command: &'a Value, field: &str) -> Result<&'a str, Failure> {
    command[field].as_str().ok_or_else(|| format!("{field} is missing").into())
}

fn hex_list(command: &Value, field: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let items = command[field].as_array().ok_or_else(|| format!("{field} is missing"))?;
    items.iter().map(|item| Ok(hex::decode(item.as_str().ok_or("no text")?)?)).collect()
}

fn answer(command: &Value, result: Value) {
    say(json!({"id": command["id"], "result": result}));
}

fn refuse(command: &Value, code: &str, message: &str) {
    say(json!({"id": command["id"], "error": {"code": code, "message": message}}));
}

/// One line. Nobody reads it any more: then there is nothing left to do.
fn say(mut line: Value) {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3;
    line["at"] = json!(at);
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// An error with what caused it, where it does not say so itself.
fn chain_of(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}
