//! How the reference treats its peers, as SPEC §10 has seen it on the wire: bans that last until it ends, and gossip scores (§5).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use libp2p::gossipsub::{self, PeerScoreParams, PeerScoreThresholds, TopicScoreParams};
use libp2p::PeerId;

use crate::wire::{message_id, Kind, MAX_GOSSIP_BYTES};

/// Requests of one peer on one protocol in one window: the next one is the ban.
pub const REQUESTS_PER_WINDOW: u32 = 8;
pub const WINDOW: Duration = Duration::from_secs(10);
/// An answer later than this is a failure of the exchange.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
pub const IDLE_CONNECTION: Duration = Duration::from_secs(10);

/// Counts requests in windows that begin with a peer's first request and last 10 s, whatever comes.
#[derive(Default)]
pub struct Quota(HashMap<(PeerId, Kind), (Instant, u32)>);

impl Quota {
    /// Whether one more is within the quota.
    pub fn take(&mut self, peer: PeerId, kind: Kind, now: Instant) -> bool {
        let (began, count) = self.0.entry((peer, kind)).or_insert((now, 0));
        if now.duration_since(*began) >= WINDOW {
            (*began, *count) = (now, 0);
        }
        *count += 1;
        *count <= REQUESTS_PER_WINDOW
    }
}

/// −1 for each rejected message, a little more for each accepted one, a tenth less every 10 s: the application's part of the gossip score.
#[derive(Default)]
pub struct Reputation(HashMap<PeerId, f64>);

impl Reputation {
    pub fn failed(&mut self, peer: PeerId) -> f64 {
        let reputation = self.0.entry(peer).or_default();
        *reputation = (*reputation - 1.0).max(-10.0);
        *reputation
    }

    /// Whoever signed it, and whatever it says: nothing but the form was looked at.
    pub fn accepted(&mut self, peer: PeerId) -> f64 {
        let reputation = self.0.entry(peer).or_default();
        *reputation = (*reputation + 0.05).min(10.0);
        *reputation
    }

    /// To be called every 10 s.
    pub fn decay(&mut self) -> Vec<(PeerId, f64)> {
        self.0.values_mut().for_each(|reputation| *reputation *= 0.9);
        self.0.iter().map(|(peer, reputation)| (*peer, *reputation)).collect()
    }
}

pub fn gossip_config() -> gossipsub::Config {
    gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Strict)
        .validate_messages()
        .message_id_fn(|message| gossipsub::MessageId::new(&message_id(&message.data)))
        .mesh_n(8)
        .mesh_n_low(6)
        .mesh_n_high(12)
        .gossip_lazy(6)
        .gossip_factor(0.25)
        .heartbeat_interval(Duration::from_millis(500))
        .fanout_ttl(Duration::from_secs(60))
        .history_length(12)
        .history_gossip(3)
        .duplicate_cache_time(Duration::from_secs(120))
        .flood_publish(false)
        .max_transmit_size(MAX_GOSSIP_BYTES)
        .build()
        .expect("settings of SPEC §5")
}

/// The preset `spec`.
pub fn peer_score(topics: &[gossipsub::IdentTopic]) -> (PeerScoreParams, PeerScoreThresholds) {
    let topic = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 3600.0,
        first_message_deliveries_weight: 0.5,
        first_message_deliveries_decay: 0.999,
        first_message_deliveries_cap: 20.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -2.0,
        invalid_message_deliveries_decay: 0.99,
        ..Default::default()
    };
    let params = PeerScoreParams {
        topics: topics.iter().map(|each| (each.hash(), topic.clone())).collect(),
        topic_score_cap: 3600.0,
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: 0.0,
        slow_peer_weight: 0.0,
        decay_interval: Duration::from_secs(10),
        decay_to_zero: 0.1,
        retain_score: Duration::from_secs(3600),
        ..Default::default()
    };
    let thresholds = PeerScoreThresholds {
        gossip_threshold: -1.0,
        publish_threshold: -2.0,
        graylist_threshold: -5.0,
        accept_px_threshold: 0.0,
        opportunistic_graft_threshold: 0.5,
    };
    (params, thresholds)
}
