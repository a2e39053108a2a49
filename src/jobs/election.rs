//! Elects the node that runs the jobs of which the deployment needs one.
//!
//! The leader raises the term in the database at every [`PERIOD`]. A node that has seen the same
//! term for a whole [`LEASE`] replaces the leader. Nodes measure both by the time since boot, which
//! counts the time that a machine was suspended and which nobody sets, so wall clocks do not
//! matter.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::clock;
use crate::error::Error;
use crate::oauth::AuthorizationServer;
use crate::store::leader::{self, Leader};

/// How often each node asks.
pub(super) const PERIOD: Duration = Duration::from_secs(2);

/// How long a node stays the leader after it raised the term, and how long the term must stand
/// still before another node replaces the leader.
const LEASE: Duration = Duration::from_secs(6);

/// The election as one node takes part in it.
pub(super) struct Election {
    server: Arc<AuthorizationServer>,
    node: String,
    view: Mutex<View>,
}

/// What a node knows. Instants are times since boot.
#[derive(Default)]
struct View {
    /// The row as it was last read, and when it was first read so.
    leader: Option<(Leader, Duration)>,
    /// Until when this node is the leader.
    leading_until: Duration,
}

impl View {
    /// Whether this node may become or remain the leader, given the row as it is now.
    fn may_lead(&mut self, node: &str, present: &Leader, now: Duration) -> bool {
        if present.node == node || present.node.is_empty() {
            return true;
        }
        match &self.leader {
            Some((known, since)) if known == present => now.saturating_sub(*since) >= LEASE,
            _ => {
                self.leader = Some((present.clone(), now));
                false
            }
        }
    }
}

impl Election {
    pub(super) fn new(server: &Arc<AuthorizationServer>) -> Self {
        Election {
            server: server.clone(),
            node: Uuid::now_v7().to_string(),
            view: Mutex::default(),
        }
    }

    /// Whether this node is the leader at `now`, a time since boot.
    pub(super) fn is_leader(&self, now: Duration) -> bool {
        now < self.view.lock().leading_until
    }

    /// Asks once.
    pub(super) async fn run(self: Arc<Self>) -> Result<(), Error> {
        // Read before the database is asked: the lease of this node must not end after the others
        // see it end.
        let now = clock::since_boot();
        let store = &self.server.store;
        let present = store.read(leader::find).await?;
        if !self.view.lock().may_lead(&self.node, &present, now) {
            return Ok(());
        }
        let (expected, node) = (present.clone(), self.node.clone());
        let replaced = store
            .write_untracked(move |database| leader::replace(database, &expected, &node))
            .await?;
        if replaced {
            self.view.lock().leading_until = now + LEASE;
            if present.node != self.node {
                tracing::info!("this node is now the leader: it purges, and rotates signing keys");
            }
        }
        Ok(())
    }

    /// Lets another node become the leader at once.
    pub(super) async fn step_down(&self) -> Result<(), Error> {
        if self.is_leader(clock::since_boot()) {
            let node = self.node.clone();
            self.view.lock().leading_until = Duration::ZERO;
            self.server
                .store
                .write_untracked(move |database| leader::step_down(database, &node))
                .await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(node: &str, term: i64) -> Leader {
        Leader {
            node: node.to_owned(),
            term,
        }
    }

    #[test]
    fn a_node_replaces_a_leader_whose_term_stands_still_for_a_lease() {
        // (seconds since boot, the row, whether node `b` may lead)
        let mut view = View::default();
        for (at, present, may_lead) in [
            (0, row("a", 7), false),
            (2, row("a", 8), false),
            (4, row("a", 8), false),
            (7, row("a", 8), false),
            (8, row("a", 8), true),
            (9, row("c", 9), false),
            (14, row("c", 9), false),
            (15, row("c", 9), true),
            (16, row("b", 10), true),
            (99, row("b", 10), true),
            (100, row("", 11), true),
        ] {
            assert_eq!(
                view.may_lead("b", &present, Duration::from_secs(at)),
                may_lead,
                "{at} {present:?}"
            );
        }
    }

    #[test]
    fn a_row_that_came_back_counts_from_its_return() {
        let mut view = View::default();
        for (at, present) in [(0, row("a", 1)), (3, row("c", 2)), (7, row("a", 1))] {
            assert!(!view.may_lead("b", &present, Duration::from_secs(at)));
        }
        assert!(!view.may_lead("b", &row("a", 1), Duration::from_secs(12)));
        assert!(view.may_lead("b", &row("a", 1), Duration::from_secs(13)));
    }
}
