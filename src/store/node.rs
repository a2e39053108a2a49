//! Node: a process that serves, as it reported itself last.

use std::time::Duration;

use diesel::prelude::*;

use super::clock::database_now;
use super::schema::nodes;
use super::{Database, StoreError};
use crate::clock::Timestamp;

/// After how long without a report a row is deleted.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// A row of `nodes`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
pub struct Node {
    /// The id that the process gave itself.
    pub id: String,
    /// The host name.
    pub name: String,
    /// The version of Keyward.
    pub version: String,
    /// When the process started, by its own clock.
    pub started_at: Timestamp,
    /// When the node last reported, by the clock of the database server if it has one.
    pub seen_at: Timestamp,
    /// What the node reported, as a JSON object.
    pub report: String,
}

/// Writes the report of a node, and deletes the rows of nodes that have not reported for a day.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn report(database: &mut Database, node: &Node) -> Result<(), StoreError> {
    let seen_at = database_now(database)?.unwrap_or(node.seen_at);
    let node = Node {
        seen_at,
        ..node.clone()
    };
    let updated = diesel::update(nodes::table.find(&node.id))
        .set(&node)
        .execute(database)?;
    if updated == 0 {
        diesel::insert_into(nodes::table)
            .values(&node)
            .execute(database)?;
    }
    let forgotten = nodes::seen_at.lt(seen_at.saturating_sub(FORGOTTEN_AFTER));
    diesel::delete(nodes::table.filter(forgotten)).execute(database)?;
    Ok(())
}

/// Deletes the row of a node that stops.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete(database: &mut Database, id: &str) -> Result<(), StoreError> {
    diesel::delete(nodes::table.find(id)).execute(database)?;
    Ok(())
}

/// All nodes, by name.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(database: &mut Database) -> Result<Vec<Node>, StoreError> {
    Ok(nodes::table
        .order((nodes::name, nodes::started_at, nodes::id))
        .select(Node::as_select())
        .load(database)?)
}
