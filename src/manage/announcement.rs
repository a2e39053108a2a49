//! Announcements: what operators tell the users of the portal, such as a maintenance.

use std::sync::Arc;
use std::time::Duration;

use super::actor::Permit;
use super::rights::{AnnouncementsRead, AnnouncementsWrite};
use super::session::{self, ActiveSession};
use super::{account, is_invisible, not_found};
use crate::clock::Timestamp;
use crate::credential::new_id;
use crate::error::{Error, refusal};
use crate::request_context::RequestContext;
use crate::store::announcement;
pub use crate::store::announcement::{Announcement, Severity};
use crate::store::audit::Action;
use crate::store::{Store, Transaction};

/// The maximum length of a text, in characters.
pub const MAX_TEXT_LENGTH: usize = 500;

/// The maximum number of announcements that have not ended.
pub const MAX_ANNOUNCEMENTS: i64 = 20;

/// The longest time for which an announcement is shown, and from now until it begins.
const MAX_DAYS: u64 = 366;

/// [`MAX_DAYS`] as a duration.
const LONGEST: Duration = Duration::from_secs(MAX_DAYS * 24 * 3600);

/// The properties of a new announcement.
#[derive(Clone, Debug)]
pub struct NewAnnouncement {
    /// How serious it is.
    pub severity: Severity,
    /// The text in English.
    pub text_en: String,
    /// The text in French.
    pub text_fr: String,
    /// The account whose users see it, by its id or name; those of all accounts if absent.
    pub account: Option<String>,
    /// From when on it is shown; from now on if absent.
    pub starts_at: Option<Timestamp>,
    /// Until when it is shown.
    pub ends_at: Timestamp,
}

/// Changes of an announcement. Absent members stay unchanged.
#[derive(Clone, Debug, Default)]
pub struct AnnouncementChanges {
    /// How serious it is.
    pub severity: Option<Severity>,
    /// The text in English.
    pub text_en: Option<String>,
    /// The text in French.
    pub text_fr: Option<String>,
    /// From when on it is shown.
    pub starts_at: Option<Timestamp>,
    /// Until when it is shown.
    pub ends_at: Option<Timestamp>,
}

/// Creates an announcement.
///
/// # Errors
/// `invalid_request` for an unusable text or period; `not_found` for an unknown account; `conflict` if
/// there are [`MAX_ANNOUNCEMENTS`].
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<AnnouncementsWrite>,
    new: NewAnnouncement,
) -> Result<Announcement, Error> {
    let now = permit.now();
    let announcement = Announcement {
        id: new_id(),
        severity: new.severity,
        text_en: new.text_en,
        text_fr: new.text_fr,
        account_id: None,
        starts_at: new.starts_at.unwrap_or(now),
        ends_at: new.ends_at,
        created_at: now,
        created_by: permit.actor().to_owned(),
    };
    check(&announcement, now)?;
    store
        .write(now, move |transaction| {
            permit.ensure_first_use(transaction)?;
            ensure_capacity(transaction, now)?;
            let account = new.account.as_deref();
            let announcement = Announcement {
                account_id: account::filter(transaction.database(), &permit, account)?,
                ..announcement.clone()
            };
            announcement::insert(transaction, &announcement)?;
            record(
                transaction,
                &permit,
                Action::AnnouncementCreate,
                &announcement,
            )?;
            Ok(announcement)
        })
        .await
}

/// Lists the announcements, those that end first at the top; ended ones too, for some weeks.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<AnnouncementsRead>,
) -> Result<Vec<Announcement>, Error> {
    store
        .report(permit.account(), |database| {
            Ok(announcement::list(database)?)
        })
        .await
}

/// Shows an announcement.
///
/// # Errors
/// `not_found`.
pub async fn show(
    store: &Arc<Store>,
    _: Permit<AnnouncementsRead>,
    id: &str,
) -> Result<Announcement, Error> {
    let id = id.to_owned();
    store
        .read(move |database| {
            let found = announcement::find(database, &id)?;
            found.ok_or_else(|| not_found("announcement", &id))
        })
        .await
}

/// Changes an announcement. With another text or severity it is shown again to those who dismissed it.
///
/// # Errors
/// `not_found`; `invalid_request` for an unusable text or period; `conflict` if one that has ended is to
/// be shown again and there are [`MAX_ANNOUNCEMENTS`].
pub async fn update(
    store: &Arc<Store>,
    permit: Permit<AnnouncementsWrite>,
    id: &str,
    changes: AnnouncementChanges,
) -> Result<Announcement, Error> {
    let now = permit.now();
    let id = id.to_owned();
    store
        .write(now, move |transaction| {
            let before = announcement::find(transaction.database(), &id)?
                .ok_or_else(|| not_found("announcement", &id))?;
            let changes = changes.clone();
            let after = Announcement {
                severity: changes.severity.unwrap_or(before.severity),
                text_en: changes.text_en.unwrap_or_else(|| before.text_en.clone()),
                text_fr: changes.text_fr.unwrap_or_else(|| before.text_fr.clone()),
                starts_at: changes.starts_at.unwrap_or(before.starts_at),
                ends_at: changes.ends_at.unwrap_or(before.ends_at),
                ..before.clone()
            };
            check(&after, now)?;
            if before.ends_at <= now {
                ensure_capacity(transaction, now)?;
            }
            let says =
                |one: &Announcement| (one.severity, one.text_en.clone(), one.text_fr.clone());
            if says(&after) != says(&before) {
                announcement::forget_dismissals(transaction, &id)?;
            }
            announcement::update(transaction, &after)?;
            record(transaction, &permit, Action::AnnouncementUpdate, &after)?;
            Ok(after)
        })
        .await
}

/// Deletes an announcement: nobody sees it any more.
///
/// # Errors
/// `not_found`.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<AnnouncementsWrite>,
    id: &str,
) -> Result<(), Error> {
    let id = id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let found = announcement::find(transaction.database(), &id)?
                .ok_or_else(|| not_found("announcement", &id))?;
            announcement::delete(transaction, &id)?;
            record(transaction, &permit, Action::AnnouncementDelete, &found)
        })
        .await
}

/// Dismisses an announcement that the user of this session sees. A second time changes nothing.
///
/// # Errors
/// `not_found` for one that the user cannot see; `access_denied` if the session has ended.
pub async fn dismiss(
    store: &Arc<Store>,
    session: &ActiveSession,
    context: &RequestContext,
    id: &str,
) -> Result<(), Error> {
    let user = session.user.clone();
    let row = session.row.clone();
    let account_id = session.account_id().map(str::to_owned);
    let recorder = session::recorder(&user, context);
    let id = id.to_owned();
    store
        .write(context.received_at, move |transaction| {
            session::ensure_active(transaction, &row)?;
            let own = account_id.as_deref();
            let found = announcement::find(transaction.database(), &id)?
                .filter(|found| found.account_id.is_none() || found.account_id.as_deref() == own);
            let found = found.ok_or_else(|| not_found("announcement", &id))?;
            if announcement::dismiss(transaction, &found.id, &user.id)? {
                recorder.record(transaction, Action::AnnouncementDismiss, own, &found.id)?;
            }
            Ok(())
        })
        .await
}

fn record(
    transaction: &mut Transaction<'_>,
    permit: &Permit<AnnouncementsWrite>,
    action: Action,
    announcement: &Announcement,
) -> Result<(), Error> {
    let account = announcement.account_id.as_deref();
    permit.audit(transaction, action, account, &announcement.id)
}

fn ensure_capacity(transaction: &mut Transaction<'_>, now: Timestamp) -> Result<(), Error> {
    let count = announcement::count_unended(transaction.database(), now)?;
    if count < MAX_ANNOUNCEMENTS {
        return Ok(());
    }
    Err(refusal::announcement_limit(MAX_ANNOUNCEMENTS))
}

fn check(announcement: &Announcement, now: Timestamp) -> Result<(), Error> {
    check_text(&announcement.text_en, "text_en")?;
    check_text(&announcement.text_fr, "text_fr")?;
    let (starts_at, ends_at) = (announcement.starts_at, announcement.ends_at);
    if ends_at <= starts_at || ends_at <= now {
        return Err(refusal::announcement_period().field("ends_at"));
    }
    if starts_at > now.saturating_add(LONGEST) {
        return Err(refusal::announcement_too_far(MAX_DAYS).field("starts_at"));
    }
    if ends_at > starts_at.max(now).saturating_add(LONGEST) {
        return Err(refusal::announcement_too_long(MAX_DAYS).field("ends_at"));
    }
    Ok(())
}

/// Refuses what is no short line of plain text.
fn check_text(text: &str, field: &'static str) -> Result<(), Error> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > MAX_TEXT_LENGTH {
        return Err(refusal::announcement_length(MAX_TEXT_LENGTH).field(field));
    }
    if text.trim() != text || text.chars().any(is_invisible) {
        return Err(refusal::announcement_characters().field(field));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + days * 24 * 3600)
    }

    fn sample(text: &str, from: i64, until: i64) -> Announcement {
        Announcement {
            id: "a1".to_owned(),
            severity: Severity::Info,
            text_en: text.to_owned(),
            text_fr: "Maintenance dimanche".to_owned(),
            account_id: None,
            starts_at: at(from),
            ends_at: at(until),
            created_at: at(0),
            created_by: "command line".to_owned(),
        }
    }

    #[test]
    fn a_text_is_a_short_line() {
        for (text, valid) in [
            ("Maintenance on Sunday <b>", true),
            (&"é".repeat(MAX_TEXT_LENGTH), true),
            (&"é".repeat(MAX_TEXT_LENGTH + 1), false),
            ("", false),
            (" ", false),
            (" Sunday", false),
            ("on\nSunday", false),
            ("on \u{202e}yadnuS", false),
            ("\0", false),
        ] {
            assert_eq!(check(&sample(text, 0, 1), at(0)).is_ok(), valid, "{text:?}");
        }
    }

    #[test]
    fn a_period_ends_after_it_begins_and_is_not_over() {
        for (from, until, now, wrong) in [
            (0, 1, 0, None),
            (0, 366, 0, None),
            (-10, 5, 0, None),
            (366, 732, 0, None),
            (0, 0, 0, Some("ends_at")),
            (2, 1, 0, Some("ends_at")),
            (-2, -1, 0, Some("ends_at")),
            (0, 1, 1, Some("ends_at")),
            (0, 367, 0, Some("ends_at")),
            (367, 368, 0, Some("starts_at")),
        ] {
            let checked = check(&sample("Sunday", from, until), at(now));
            let field = checked.as_ref().err().and_then(Error::wrong_field);
            assert_eq!(field, wrong, "{from} {until} {now}");
        }
    }
}
