//! Rights over Keyward itself: what an actor may do, as scope tokens, as sets, and as types.

use strum::VariantArray;

use crate::error::Error;
use crate::scope::Scope;
use crate::store::user::Role;

/// A right over Keyward. Its text form is a scope token, which a client can hold and ask for like any
/// other.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
pub enum Right {
    /// Read accounts.
    #[strum(serialize = "keyward:accounts:read")]
    AccountsRead,
    /// Create and update accounts.
    #[strum(serialize = "keyward:accounts:write")]
    AccountsWrite,
    /// Read users.
    #[strum(serialize = "keyward:users:read")]
    UsersRead,
    /// Create, update and delete users.
    #[strum(serialize = "keyward:users:write")]
    UsersWrite,
    /// Read clients.
    #[strum(serialize = "keyward:clients:read")]
    ClientsRead,
    /// Create, update and delete clients.
    #[strum(serialize = "keyward:clients:write")]
    ClientsWrite,
    /// List client secrets and API keys, never in full.
    #[strum(serialize = "keyward:keys:read")]
    KeysRead,
    /// Create, rotate and delete client secrets and API keys.
    #[strum(serialize = "keyward:keys:write")]
    KeysWrite,
    /// Read trust rules, and try a JWT out on them.
    #[strum(serialize = "keyward:trust-rules:read")]
    TrustRulesRead,
    /// Create, disable, enable and delete trust rules.
    #[strum(serialize = "keyward:trust-rules:write")]
    TrustRulesWrite,
    /// Read resource servers.
    #[strum(serialize = "keyward:resources:read")]
    ResourcesRead,
    /// Create, update and delete resource servers.
    #[strum(serialize = "keyward:resources:write")]
    ResourcesWrite,
    /// Read webhooks and their deliveries.
    #[strum(serialize = "keyward:webhooks:read")]
    WebhooksRead,
    /// Create, update and delete webhooks, and so receive the events of the account.
    #[strum(serialize = "keyward:webhooks:write")]
    WebhooksWrite,
    /// List initial access tokens, never in full.
    #[strum(serialize = "keyward:registration:read")]
    RegistrationRead,
    /// Create and delete initial access tokens.
    #[strum(serialize = "keyward:registration:write")]
    RegistrationWrite,
    /// Read signing keys: their states and public halves.
    #[strum(serialize = "keyward:signing-keys:read")]
    SigningKeysRead,
    /// Rotate, import and retire signing keys.
    #[strum(serialize = "keyward:signing-keys:write")]
    SigningKeysWrite,
    /// Inspect tokens and read their records.
    #[strum(serialize = "keyward:tokens:read")]
    TokensRead,
    /// Revoke tokens and API keys.
    #[strum(serialize = "keyward:tokens:revoke")]
    TokensRevoke,
    /// Read the audit log.
    #[strum(serialize = "keyward:audit:read")]
    AuditRead,
    /// Read the status of the installation: nodes, database, keys, background jobs.
    #[strum(serialize = "keyward:status:read")]
    StatusRead,
    /// Read announcements.
    #[strum(serialize = "keyward:announcements:read")]
    AnnouncementsRead,
    /// Create, update and delete announcements.
    #[strum(serialize = "keyward:announcements:write")]
    AnnouncementsWrite,
    /// Act on all accounts instead of one.
    #[strum(serialize = "keyward:operator")]
    Operator,
}

impl Right {
    /// All rights.
    pub const ALL: &'static [Right] = Right::VARIANTS;

    /// The scope token, such as `keyward:clients:read`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the right reaches beyond a single account, so that only an operator can use it.
    pub fn is_operator_only(self) -> bool {
        matches!(
            self,
            Right::AccountsWrite
                | Right::ResourcesWrite
                | Right::SigningKeysRead
                | Right::SigningKeysWrite
                | Right::StatusRead
                | Right::AnnouncementsRead
                | Right::AnnouncementsWrite
                | Right::Operator
        )
    }
}

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u32);

impl Rights {
    /// The set of these rights.
    pub const fn of(rights: &[Right]) -> Self {
        let mut set = Rights(0);
        let mut index = 0;
        while index < rights.len() {
            set = set.with(rights[index]);
            index += 1;
        }
        set
    }

    /// The rights of a role. A viewer reads clients, and neither secrets nor keys; an operator has every
    /// right.
    pub const fn of_role(role: Role) -> Self {
        match role {
            Role::Operator => Rights::of(Right::ALL),
            Role::Administrator => Rights::ADMINISTRATOR,
            Role::Developer => Rights::DEVELOPER,
            Role::Viewer => Rights::VIEWER,
        }
    }

    const VIEWER: Rights = Rights::of(&[
        Right::AccountsRead,
        Right::ClientsRead,
        Right::ResourcesRead,
    ]);

    const DEVELOPER: Rights = Rights::VIEWER.union(Rights::of(&[
        Right::ClientsWrite,
        Right::KeysRead,
        Right::KeysWrite,
        Right::TrustRulesRead,
        Right::TrustRulesWrite,
        Right::TokensRead,
        Right::TokensRevoke,
        Right::AuditRead,
    ]));

    const ADMINISTRATOR: Rights = Rights::DEVELOPER.union(Rights::of(&[
        Right::UsersRead,
        Right::UsersWrite,
        Right::RegistrationRead,
        Right::RegistrationWrite,
        Right::WebhooksRead,
        Right::WebhooksWrite,
    ]));

    /// The rights in a scope. Tokens that name no right are ignored.
    pub fn in_scope(scope: &Scope) -> Self {
        scope
            .rights()
            .filter_map(|token| token.parse().ok())
            .fold(Rights::default(), Rights::with)
    }

    /// This set and one more right.
    #[must_use]
    pub const fn with(self, right: Right) -> Self {
        Rights(self.0 | (1 << right as u32))
    }

    /// The rights in either set.
    #[must_use]
    pub const fn union(self, other: Rights) -> Self {
        Rights(self.0 | other.0)
    }

    /// The rights in this set that are not in `other`.
    #[must_use]
    pub const fn difference(self, other: Rights) -> Self {
        Rights(self.0 & !other.0)
    }

    /// Whether the set has this right.
    pub const fn contains(self, right: Right) -> bool {
        self.0 & (1 << right as u32) != 0
    }

    /// The rights in the set, in the order of their definition.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL
            .iter()
            .copied()
            .filter(move |&right| self.contains(right))
    }

    /// The set as a scope.
    ///
    /// # Errors
    /// `server_error` if a right is no scope token, which is a bug.
    pub fn to_scope(self) -> Result<Scope, Error> {
        let tokens: Vec<&str> = self.iter().map(Right::as_str).collect();
        tokens
            .join(" ")
            .parse()
            .map_err(|_| Error::server_error("a right is not a valid scope token"))
    }
}

/// A right as a type, so that a [`Permit`](super::actor::Permit) for one operation cannot be passed to
/// another.
pub trait RightType {
    /// The right that the type stands for.
    const RIGHT: Right;
}

macro_rules! right_types {
    ($($name:ident)*) => {
        $(
            #[doc = concat!("[`Right::", stringify!($name), "`] as a type.")]
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl RightType for $name {
                const RIGHT: Right = Right::$name;
            }
        )*
    };
}

right_types! {
    AccountsRead
    AccountsWrite
    UsersRead
    UsersWrite
    ClientsRead
    ClientsWrite
    KeysRead
    KeysWrite
    TrustRulesRead
    TrustRulesWrite
    ResourcesRead
    ResourcesWrite
    RegistrationRead
    RegistrationWrite
    SigningKeysRead
    SigningKeysWrite
    TokensRead
    TokensRevoke
    AuditRead
    StatusRead
    WebhooksRead
    WebhooksWrite
    AnnouncementsRead
    AnnouncementsWrite
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::{RIGHTS_PREFIX, is_right};

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn every_right_survives_the_round_trip_through_its_scope_token() {
        for &right in Right::ALL {
            assert_eq!(right.as_str().parse(), Ok(right));
            assert!(right.as_str().starts_with(RIGHTS_PREFIX), "{right:?}");
            assert!(is_right(right.as_str()), "{right:?}");
        }
        for text in [
            "keyward:clients",
            "Keyward:clients:read",
            "clients:read",
            "",
        ] {
            assert!(text.parse::<Right>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_set_of_rights_holds_what_was_put_in() {
        assert!(Right::ALL.len() <= 32, "one bit for each right");
        for &right in Right::ALL {
            let only = Rights::of(&[right]);
            assert_eq!(only.iter().collect::<Vec<_>>(), [right]);
            assert!(Rights::of(Right::ALL).contains(right));
            assert!(!Rights::of(Right::ALL).difference(only).contains(right));
            assert!(!Rights::default().contains(right));
        }
    }

    #[test]
    fn a_scope_gives_the_rights_that_it_names() {
        let cases = [
            ("", Rights::default()),
            ("orders:read", Rights::default()),
            ("keyward:no-such-right", Rights::default()),
            ("KEYWARD:clients:read", Rights::default()),
            (
                "keyward:clients:read orders:read keyward:operator",
                Rights::of(&[Right::ClientsRead, Right::Operator]),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Rights::in_scope(&scope(text)), expected, "{text:?}");
        }
        for &right in Right::ALL {
            let rights = Rights::of(&[right]);
            assert_eq!(Rights::in_scope(&rights.to_scope().unwrap()), rights);
        }
    }

    #[test]
    fn each_role_has_the_rights_of_the_one_below_it() {
        let roles = [
            Role::Viewer,
            Role::Developer,
            Role::Administrator,
            Role::Operator,
        ];
        for pair in roles.windows(2) {
            let (lower, higher) = (Rights::of_role(pair[0]), Rights::of_role(pair[1]));
            assert_eq!(lower.difference(higher), Rights::default(), "{pair:?}");
            assert_ne!(lower, higher, "{pair:?}");
        }
        assert_eq!(Rights::of_role(Role::Operator), Rights::of(Right::ALL));
        for role in [Role::Viewer, Role::Developer, Role::Administrator] {
            for right in Rights::of_role(role).iter() {
                assert!(!right.is_operator_only(), "{role} has {right:?}");
            }
        }
        assert!(!Rights::of_role(Role::Viewer).contains(Right::KeysRead));
    }
}
