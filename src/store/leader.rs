//! The leader: the node that runs the background jobs of which the deployment needs one.

use diesel::prelude::*;

use super::schema::leader;
use super::{Database, StoreError};

/// The row of `leader`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = leader)]
pub struct Leader {
    /// The id that the leading process gave itself; empty after it stepped down.
    pub node: String,
    /// Incremented each time that a node becomes the leader or remains it.
    pub term: i64,
}

/// Reads the present leader.
///
/// # Errors
/// [`StoreError`] if the database gave no answer.
pub fn find(database: &mut Database) -> Result<Leader, StoreError> {
    Ok(leader::table
        .find(1)
        .select(Leader::as_select())
        .first(database)?)
}

/// Replaces `present` by `node` in the next term. Returns whether it did: not if another node was
/// faster.
///
/// # Errors
/// [`StoreError`] if the database gave no answer.
pub fn replace(database: &mut Database, present: &Leader, node: &str) -> Result<bool, StoreError> {
    let unchanged = leader::table.find(1).filter(
        leader::node
            .eq(&present.node)
            .and(leader::term.eq(present.term)),
    );
    let rows = diesel::update(unchanged)
        .set((leader::node.eq(node), leader::term.eq(present.term + 1)))
        .execute(database)?;
    Ok(rows == 1)
}

/// Steps down: the next node that asks becomes the leader at once.
///
/// # Errors
/// [`StoreError`] if the database gave no answer.
pub fn step_down(database: &mut Database, node: &str) -> Result<(), StoreError> {
    diesel::update(leader::table.find(1).filter(leader::node.eq(node)))
        .set(leader::node.eq(""))
        .execute(database)?;
    Ok(())
}
