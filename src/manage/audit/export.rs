//! Exports of the audit log: CSV (RFC 4180) and JSON Lines, in parts of bounded size.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use strum::{EnumString, IntoStaticStr, VariantNames};

use super::{AuditEntry, AuditFilter, AuditPage, list};
use crate::clock::TimeZone;
use crate::error::{Code, Error};
use crate::manage::actor::Permit;
use crate::manage::invalid;
use crate::manage::rights::AuditRead;
use crate::store::Store;

/// How many entries a part of an export has at most: a few hundred kilobytes.
const PART: usize = 1000;

/// How often the read of a part is tried again.
const RETRIES: u32 = 10;

/// The time between two tries.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// The columns of the CSV format: the names of the members in JSON.
const COLUMNS: [&str; 13] = [
    "id",
    "happened_at",
    "account_id",
    "actor",
    "action",
    "target",
    "reason",
    "reason_code",
    "reason_parameters",
    "address",
    "request_id",
    "client_id",
    "details",
];

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
pub enum ExportFormat {
    /// Comma-separated values (RFC 4180) with a header line.
    #[strum(serialize = "csv")]
    Csv,
    /// JSON Lines: a JSON object for each entry, on a line of its own.
    #[strum(serialize = "jsonl")]
    JsonLines,
}

impl ExportFormat {
    /// The names of the formats, which are also the extensions of files.
    pub const NAMES: &'static [&'static str] = <ExportFormat as VariantNames>::VARIANTS;

    /// The name, such as `csv`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The format with this name.
    ///
    /// # Errors
    /// `invalid_request` if there is no such format.
    pub fn parse(name: &str) -> Result<Self, Error> {
        name.parse().map_err(|_| {
            invalid(format!(
                "The formats are {}",
                ExportFormat::NAMES.join(" and ")
            ))
            .field("format")
        })
    }

    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            ExportFormat::Csv => "text/csv; charset=utf-8",
            ExportFormat::JsonLines => "application/jsonl",
        }
    }

    /// What an export begins with.
    fn write_head(self, out: &mut Vec<u8>) {
        if self == ExportFormat::Csv {
            out.extend_from_slice(COLUMNS.join(",").as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Times are in UTC in JSON, which is for programs, and in `zone` in CSV.
    fn write(self, entry: &AuditEntry, zone: &TimeZone, out: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            ExportFormat::JsonLines => {
                serde_json::to_writer(&mut *out, entry)
                    .map_err(|error| Error::server_error(error.to_string()))?;
                out.push(b'\n');
            }
            ExportFormat::Csv => {
                for (index, cell) in cells(entry, zone).into_iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_cell(&cell, out);
                }
                out.extend_from_slice(b"\r\n");
            }
        }
        Ok(())
    }
}

fn cells<'a>(entry: &'a AuditEntry, zone: &TimeZone) -> [Cow<'a, str>; COLUMNS.len()] {
    let optional = |text: &'_ Option<String>| Cow::Owned(text.clone().unwrap_or_default());
    [
        Cow::Borrowed(&entry.id),
        Cow::Owned(zone.rfc3339(entry.happened_at)),
        optional(&entry.account_id),
        Cow::Borrowed(&entry.actor),
        Cow::Borrowed(&entry.action),
        Cow::Borrowed(&entry.target),
        optional(&entry.reason),
        optional(&entry.reason_code),
        optional(&entry.reason_parameters),
        optional(&entry.address),
        optional(&entry.request_id),
        optional(&entry.client_id),
        optional(&entry.details),
    ]
}

/// Writes a cell. One that a spreadsheet would evaluate as a formula gets an apostrophe in front:
/// callers choose some of the values, such as the client id of a failed authentication.
fn write_cell(cell: &str, out: &mut Vec<u8>) {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let quoted = cell.contains(['"', ',', '\r', '\n']);
    if quoted {
        out.push(b'"');
    }
    if formula {
        out.push(b'\'');
    }
    for byte in cell.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    if quoted {
        out.push(b'"');
    }
}

/// An export of the entries that the actor can see and that match a filter, newest first. It holds
/// one part in memory. Each part is a query of its own, so that other queries come in between.
pub struct Export {
    store: Arc<Store>,
    permit: Permit<AuditRead>,
    format: ExportFormat,
    zone: TimeZone,
    /// The filter of the next part; none after the last one.
    filter: Option<AuditFilter>,
    /// Whether the next part is the first one.
    is_first: bool,
}

impl Export {
    /// An export of which nothing has been read yet.
    pub fn new(
        store: &Arc<Store>,
        permit: Permit<AuditRead>,
        filter: AuditFilter,
        format: ExportFormat,
    ) -> Self {
        Export {
            store: store.clone(),
            permit,
            format,
            zone: TimeZone::UTC,
            filter: Some(filter),
            is_first: true,
        }
    }

    /// Writes the times of CSV in a time zone, with its offset; in UTC by default.
    #[must_use]
    pub fn in_time_zone(self, zone: TimeZone) -> Self {
        Export { zone, ..self }
    }

    /// The format.
    pub fn format(&self) -> ExportFormat {
        self.format
    }

    /// The next part, which may be empty; none at the end.
    ///
    /// # Errors
    /// Those of [`list`].
    pub async fn next_part(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Some(filter) = self.filter.take() else {
            return Ok(None);
        };
        let AuditPage { entries, next } = self.read(&filter).await?;
        let mut part = Vec::new();
        if std::mem::take(&mut self.is_first) {
            self.format.write_head(&mut part);
        }
        for entry in &entries {
            self.format.write(entry, &self.zone, &mut part)?;
        }
        self.filter = next.map(|next| AuditFilter {
            before: Some(next),
            ..filter
        });
        Ok(Some(part))
    }

    /// Reads the entries of a part. After the first one it tries again if the database is busy for a
    /// while: the reader has a part of the export already, and could only begin anew.
    async fn read(&self, filter: &AuditFilter) -> Result<AuditPage, Error> {
        let mut retries = 0;
        loop {
            let page = list(&self.store, self.permit.clone(), filter.clone(), PART).await;
            match page {
                Err(error) if !self.is_first && retries < RETRIES && is_temporary(&error) => {
                    retries += 1;
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                page => return page,
            }
        }
    }
}

fn is_temporary(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::TooManyRequests | Code::TemporarilyUnavailable
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::store::audit::{Action, Recorder};

    #[test]
    fn a_cell_is_quoted_where_it_must_be() {
        for (cell, written) in [
            ("plain text", "plain text"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+1,2", "\"'+1,2\""),
            ("a=b", "a=b"),
        ] {
            let mut out = Vec::new();
            write_cell(cell, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), written, "{cell:?}");
        }
    }

    #[test]
    fn both_formats_have_the_same_members_in_the_same_order() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let entry = Recorder::keyward(now).entry(Action::ClientCreate, Some("a1"), "c1");
        let written = |format: ExportFormat, zone: TimeZone| {
            let mut out = Vec::new();
            format.write_head(&mut out);
            format.write(&entry, &zone, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let csv = written(ExportFormat::Csv, TimeZone::UTC);
        let lines: Vec<&str> = csv.split("\r\n").collect();
        assert_eq!(lines[0], COLUMNS.join(","));
        assert_eq!(
            lines[1],
            format!(
                "{},2027-01-15T08:00:00Z,a1,Keyward,client.create,c1,,,,,,,",
                entry.id
            )
        );
        let paris: TimeZone = "Europe/Paris".parse().unwrap();
        let local = written(ExportFormat::Csv, paris.clone());
        assert!(local.contains(",2027-01-15T09:00:00+01:00,a1,"), "{local}");
        let json = written(ExportFormat::JsonLines, paris);
        assert!(json.contains("\"2027-01-15T08:00:00Z\""), "{json}");
        let positions: Vec<usize> = COLUMNS
            .iter()
            .map(|name| json.find(&format!("\"{name}\":")).unwrap())
            .collect();
        assert!(positions.is_sorted(), "{json}");
        assert!(json.ends_with("}\n") && json.lines().count() == 1, "{json}");
    }
}
