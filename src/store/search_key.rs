//! Search keys: how lists are searched for names that begin with a text, at the cost of one range of
//! an index however many rows there are.
//!
//! A key is the name in lower case, as hexadecimal digits. Collations of Postgres order letters,
//! spaces and punctuation each in their own way, so that the names with the same beginning are no
//! range; all of them order hexadecimal digits alike.

use diesel::prelude::*;

use super::schema::{accounts, clients, users};
use super::{Database, StoreError};

/// How many rows of each table are filled in one transaction, which locks them.
const BATCH: i64 = 500;

/// The search key of a name.
pub(super) fn search_key(name: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let name = name.to_lowercase();
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    name.bytes()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// The range of the keys of names that begin with `text`, in any case: the first possible key, and
/// the end, which is after all of them.
pub(super) fn range(text: &str) -> (String, String) {
    let first = search_key(text);
    let end = format!("{first}g");
    (first, end)
}

macro_rules! fill_table {
    ($database:expr, $table:ident, $id:ident, $name:ident) => {{
        let rows: Vec<(String, String)> = $table::table
            .filter($table::search_key.eq(""))
            .filter($table::$name.ne(""))
            .select(($table::$id, $table::$name))
            .limit(BATCH)
            .load($database)?;
        for (id, name) in &rows {
            diesel::update($table::table.find(id))
                .set($table::search_key.eq(search_key(name)))
                .execute($database)?;
        }
        rows.len()
    }};
}

/// Fills keys that are empty, a batch of each table: of rows from before there were keys, or that a
/// node of a version without them inserted. Returns how many were filled.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn fill(database: &mut Database) -> Result<usize, StoreError> {
    let clients = fill_table!(database, clients, client_id, name);
    let accounts = fill_table!(database, accounts, id, name);
    let users = fill_table!(database, users, id, email);
    Ok(clients + accounts + users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_begin_with_a_text_are_a_range() {
        for (text, name, found) in [
            ("", "Orders", true),
            ("ord", "Orders", true),
            ("ORDERS", "orders", true),
            ("Orders", "Order", false),
            ("order i", "Order import", true),
            ("order i", "Order-import", false),
            ("é", "École", true),
            ("%", "Orders", false),
            ("50%", "50% off", true),
            ("\u{ff}", "\u{100}", false),
        ] {
            let (first, end) = range(text);
            let key = search_key(name);
            assert_eq!(first <= key && key < end, found, "{text} {name}");
        }
    }
}
