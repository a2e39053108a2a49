//! The texts of e-mail.

use fluent_bundle::FluentValue;

use super::account_switch;
use super::audit::action_message;
use super::language::Language;
use super::user_agent;
use crate::clock::Timestamp;
use crate::manage::audit::{Action, Audience};
use crate::manage::mail::{Facts, MailContent, MailKind, MailText};
use crate::secret::SecretString;

/// Writes the text of a message.
pub fn render(content: &MailContent) -> MailText {
    let writer = Writer(content);
    let (subject, paragraphs) = match content.kind {
        MailKind::Test => (
            writer.t("mail-test"),
            vec![writer.t("mail-test-text"), writer.facts()],
        ),
        MailKind::Invitation => writer.invitation(),
        MailKind::AccountInvitation => writer.account_invitation(),
        MailKind::PasswordReset => (
            writer.t("mail-password-reset"),
            vec![
                writer.t("mail-password-reset-text"),
                writer.link(),
                writer.until("mail-password-reset-until"),
                writer.t("mail-password-reset-ignore"),
                writer.facts(),
            ],
        ),
        MailKind::SignIn => (
            writer.t("mail-sign-in"),
            vec![
                writer.t("mail-sign-in-text"),
                writer.facts(),
                writer.t("mail-sign-in-advice"),
                writer.url("/profile"),
                writer.turn_off(),
            ],
        ),
        MailKind::Security | MailKind::Notice => writer.notice(),
    };
    let mut text: Vec<String> = paragraphs
        .into_iter()
        .filter(|paragraph| !paragraph.is_empty())
        .collect();
    text.push(format!("-- \n{}", writer.url("")));
    MailText {
        subject,
        // What people chose may contain anything.
        text: SecretString::new(printable(&text.join("\n\n"))),
    }
}

/// The text with its line ends, but without other control characters.
fn printable(text: &str) -> String {
    let is_shown = |c: &char| *c == '\n' || !c.is_control();
    text.chars().filter(is_shown).chain(['\n']).collect()
}

/// Whether a mail program could make a link of a name, to wherever the one who chose the name likes.
fn could_be_link(name: &str) -> bool {
    let name = name.to_lowercase();
    let is_dot = |c: &char| matches!(c, '.' | '。' | '．' | '｡');
    let chars: Vec<char> = name.chars().filter(|c| !c.is_control()).collect();
    let has_domain = chars.windows(3).any(|three| {
        matches!(three, [before, dot, after] if is_dot(dot) && before.is_alphanumeric() && after.is_alphanumeric())
    });
    has_domain || name.contains("://") || name.contains("www.") || name.contains('@')
}

struct Writer<'a>(&'a MailContent);

impl Writer<'_> {
    fn language(&self) -> Language {
        self.0.language
    }

    fn t(&self, message: &str) -> String {
        self.language().text(message, &[])
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0.portal)
    }

    /// A name that people chose, on one line.
    fn name(name: &str) -> String {
        name.chars().filter(|c| !c.is_control()).collect()
    }

    /// A name that people chose, to be put between quotation marks.
    fn quotable(name: &str) -> String {
        let mut name = Self::name(name);
        name.retain(|c| !matches!(c, '"' | '“' | '”' | '„' | '«' | '»'));
        name
    }

    fn time(&self, instant: Timestamp) -> String {
        let content = self.0;
        self.language().date_time_text(instant, &content.time_zone)
    }

    fn link(&self) -> String {
        let link = self.0.link.as_ref();
        link.map(|link| link.expose().to_owned())
            .unwrap_or_default()
    }

    fn turn_off(&self) -> String {
        format!("{}\n{}", self.t("mail-notices"), self.url("/profile"))
    }

    fn until(&self, message: &str) -> String {
        let until = FluentValue::from(self.time(self.0.expires_at));
        self.language().text(message, &[("until", until)])
    }

    fn invitation(&self) -> (String, Vec<String>) {
        let invited = match &self.0.facts.name {
            Some(account) if could_be_link(account) => self.t("mail-invitation-unnamed"),
            Some(account) => {
                let account = FluentValue::from(Self::quotable(account));
                self.language()
                    .text("mail-invitation-text", &[("account", account)])
            }
            None => self.t("mail-invitation-operator"),
        };
        let paragraphs = vec![
            invited,
            self.link(),
            self.until("mail-invitation-until"),
            self.t("mail-invitation-ignore"),
        ];
        (self.t("mail-invitation"), paragraphs)
    }

    fn account_invitation(&self) -> (String, Vec<String>) {
        let name = self.0.facts.name.as_deref();
        let invited = match name.filter(|account| !could_be_link(account)) {
            Some(account) => {
                let account = FluentValue::from(Self::quotable(account));
                self.language()
                    .text("mail-account-invitation-text", &[("account", account)])
            }
            None => self.t("mail-account-invitation-unnamed"),
        };
        let paragraphs = vec![
            invited,
            self.link(),
            self.until("mail-invitation-until"),
            self.t("mail-invitation-ignore"),
        ];
        (self.t("mail-account-invitation"), paragraphs)
    }

    fn notice(&self) -> (String, Vec<String>) {
        let name = self.0.facts.action.as_deref().unwrap_or_default();
        let action: Option<Action> = name.parse().ok();
        // Of the preferences, only one is reported.
        let subject = match action {
            Some(Action::UserSetPreferences) => self.t("mail-notices-off"),
            _ => self.t(&action_message(name)),
        };
        let mut paragraphs = vec![subject.clone(), self.facts()];
        let (advice, path) = match action {
            _ if self.is_own() => ("mail-own-advice", "/profile"),
            Some(Action::ApiKeyExpireSoon | Action::SecretExpireSoon) => {
                ("mail-expiry-advice", "/applications")
            }
            Some(action) if action.audience() == Some(Audience::Operators) => {
                ("mail-key-advice", "/signing-keys")
            }
            _ => ("mail-credential-advice", "/audit"),
        };
        paragraphs.push(self.t(advice));
        paragraphs.push(match &self.0.account {
            Some(account) => self.url(&account_switch::page_of(path, &account.id)),
            None => self.url(path),
        });
        if !self.is_own() {
            paragraphs.push(self.turn_off());
        }
        (subject, paragraphs)
    }

    /// Whether the message is about what was done to the recipient.
    fn is_own(&self) -> bool {
        self.0.kind == MailKind::Security
    }

    /// The facts, each on a line.
    fn facts(&self) -> String {
        let Facts {
            action: _,
            actor,
            at,
            address,
            agent,
            target,
            name,
            application,
            expires_at,
        } = &self.0.facts;
        let agent = agent.as_deref().map(|agent| {
            user_agent::label(self.language(), agent).unwrap_or_else(|| self.t("browser-unknown"))
        });
        let mut lines = Vec::new();
        let mut line = |label: &str, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let arguments = [
                    ("label", FluentValue::from(self.t(label))),
                    ("value", FluentValue::from(Self::name(&value))),
                ];
                lines.push(self.language().text("mail-fact", &arguments));
            }
        };
        let account = self.0.account.as_ref();
        line("field-account", account.map(|account| account.name.clone()));
        line("application", application.clone());
        line("field-name", name.clone());
        // The target of what happened to a user is the recipient.
        line("column-id", target.clone().filter(|_| !self.is_own()));
        line("mail-actor", actor.clone());
        line("mail-time", at.map(|at| self.time(at)));
        line("mail-browser", agent);
        line("mail-address", address.clone());
        line("mail-expires", expires_at.map(|at| self.time(at)));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TimeZone;
    use crate::manage::mail::MailAccount;

    fn content(kind: MailKind, facts: Facts, language: Language) -> MailContent {
        MailContent {
            kind,
            facts,
            account: None,
            recipient: "ada@acme.example".to_owned(),
            link: Some("https://auth.example/portal/invitation#kwv_a_b".into()),
            portal: "https://auth.example/portal".to_owned(),
            expires_at: Timestamp::from_seconds(1_800_000_000),
            language,
            time_zone: TimeZone::UTC,
        }
    }

    #[test]
    fn names_stay_on_their_line() {
        let facts = Facts {
            action: Some("api_key.create".to_owned()),
            actor: Some("user eve@acme.example".to_owned()),
            name: Some("a\r\n\r\nYour password has expired:\u{7}".to_owned()),
            ..Facts::default()
        };
        for language in Language::ALL {
            let written = render(&content(MailKind::Notice, facts.clone(), language));
            let text = written.text.expose();
            assert!(!text.contains("\n\nYour password"), "{text}");
            assert!(!text.contains(['\r', '\u{7}']), "{text:?}");
            assert!(!text.contains("kwv_"), "{text}");
            assert!(!written.subject.contains("Your password"));
        }
    }

    #[test]
    fn a_notice_to_a_user_of_several_accounts_names_the_account() {
        let facts = Facts {
            action: Some("secret.create".to_owned()),
            ..Facts::default()
        };
        for language in Language::ALL {
            let mut content = content(MailKind::Notice, facts.clone(), language);
            let alone = render(&content).text;
            assert!(alone.expose().contains("/portal/audit\n"));
            content.account = Some(MailAccount {
                id: "a1".to_owned(),
                name: "Acme\nEvil: 1".to_owned(),
            });
            let text = render(&content).text;
            let text = text.expose();
            assert!(text.contains("/portal/audit?in=a1\n"), "{text}");
            assert!(text.contains(": AcmeEvil: 1\n"), "{text}");
        }
    }

    #[test]
    fn an_invitation_has_its_link_and_its_account() {
        let facts = Facts {
            name: Some("Acme".to_owned()),
            ..Facts::default()
        };
        for language in Language::ALL {
            let written = render(&content(MailKind::Invitation, facts.clone(), language));
            let text = written.text.expose();
            assert!(
                text.contains("Acme") && text.contains("#kwv_a_b\n"),
                "{text}"
            );
            assert!(text.contains("2027"), "{text}");
        }
    }

    #[test]
    fn the_name_of_an_account_is_quoted_and_no_link() {
        for (name, shown) in [
            ("Acme", Some("Acme")),
            ("Dr. Acme & Co. KG", Some("Dr. Acme & Co. KG")),
            ("Acme” now", Some("Acme now")),
            ("évil.example", None),
            ("10.0.0.1", None),
            ("ev\u{7}il.\u{7}example", None),
            ("evil。example", None),
            ("https://evil", None),
            ("Go to WWW. evil", None),
            ("eve@evil", None),
        ] {
            let facts = Facts {
                name: Some(name.to_owned()),
                ..Facts::default()
            };
            for (language, [open, close]) in [
                (Language::English, ["“", "”"]),
                (Language::French, ["«\u{a0}", "\u{a0}»"]),
            ] {
                let written = render(&content(MailKind::Invitation, facts.clone(), language));
                let text = written.text.expose();
                match shown {
                    Some(shown) => assert!(text.contains(&[open, shown, close].concat()), "{text}"),
                    None => assert!(!text.contains("vil") && !text.contains("10."), "{text}"),
                }
            }
        }
    }
}
