//! The sample data: accounts with their users, resource servers and clients.

use crate::manage::client::AuthMethod;
use crate::manage::user::Role;

/// The URL below which all resource servers are.
const API: &str = "https://api.example.com";

/// The path of each resource server below [`API`], its name and its scope.
pub(super) const RESOURCE_SERVERS: [(&str, &str, &str); 3] = [
    ("orders", "Orders API", "orders:read orders:write"),
    (
        "invoices",
        "Invoices API",
        "invoices:read invoices:write invoices:export",
    ),
    (
        "inventory",
        "Inventory API",
        "inventory:read inventory:write",
    ),
];

/// The e-mail address of the operator.
pub(super) const OPERATOR: &str = "operator@keyward.example";

/// An account, with its users.
pub(super) struct SampleAccount {
    pub(super) name: &'static str,
    /// The users have addresses in this domain.
    pub(super) domain: &'static str,
    pub(super) days_ago: u32,
    pub(super) users: &'static [(&'static str, Role, Password)],
}

/// Whether a user has a password yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Password {
    Set,
    /// The user has an invitation.
    Invited,
}

pub(super) const ACCOUNTS: [SampleAccount; 4] = [
    SampleAccount {
        name: "Harbour Logistics",
        domain: "harbour.example",
        days_ago: 41,
        users: &[
            ("ines", Role::Administrator, Password::Set),
            ("tomas", Role::Developer, Password::Set),
            ("yuki", Role::Viewer, Password::Set),
        ],
    },
    SampleAccount {
        name: "Maison Verdier",
        domain: "verdier.example",
        days_ago: 33,
        users: &[
            ("camille", Role::Administrator, Password::Set),
            ("louis", Role::Developer, Password::Invited),
        ],
    },
    SampleAccount {
        name: "Brightfield Retail",
        domain: "brightfield.example",
        days_ago: 24,
        users: &[
            ("priya", Role::Administrator, Password::Set),
            ("sam", Role::Developer, Password::Set),
        ],
    },
    SampleAccount {
        name: "Kestrel Payments",
        domain: "kestrel.example",
        days_ago: 12,
        users: &[("amara", Role::Administrator, Password::Set)],
    },
];

/// A user who belongs to a further account: the user's name, and the places of the first and the further account in
/// [`ACCOUNTS`].
pub(super) const MEMBER_OF_TWO: (&str, usize, usize) = ("tomas", 0, 1);

/// A client, with what it does in an hour of the middle of the day.
pub(super) struct SampleClient {
    /// The place of its account in [`ACCOUNTS`].
    pub(super) account: usize,
    pub(super) name: &'static str,
    pub(super) scope: &'static str,
    pub(super) resource_servers: &'static [&'static str],
    pub(super) auth_method: AuthMethod,
    pub(super) days_ago: u32,
    pub(super) tokens: u64,
    pub(super) introspections: u64,
    pub(super) verifications: u64,
}

pub(super) const CLIENTS: [SampleClient; 9] = [
    SampleClient {
        account: 0,
        name: "Warehouse sync",
        scope: "orders:read orders:write inventory:read inventory:write",
        resource_servers: &["orders", "inventory"],
        auth_method: AuthMethod::ClientSecretBasic,
        days_ago: 40,
        tokens: 110,
        introspections: 340,
        verifications: 60,
    },
    SampleClient {
        account: 0,
        name: "Route planner",
        scope: "orders:read",
        resource_servers: &["orders"],
        auth_method: AuthMethod::PrivateKeyJwt,
        days_ago: 36,
        tokens: 75,
        introspections: 0,
        verifications: 180,
    },
    SampleClient {
        account: 0,
        name: "Old importer",
        scope: "orders:write",
        resource_servers: &["orders"],
        auth_method: AuthMethod::ClientSecretPost,
        days_ago: 40,
        tokens: 0,
        introspections: 0,
        verifications: 0,
    },
    SampleClient {
        account: 1,
        name: "Boutique en ligne",
        scope: "orders:read orders:write",
        resource_servers: &["orders"],
        auth_method: AuthMethod::ClientSecretBasic,
        days_ago: 32,
        tokens: 60,
        introspections: 210,
        verifications: 0,
    },
    SampleClient {
        account: 1,
        name: "Comptabilité",
        scope: "invoices:read invoices:export",
        resource_servers: &["invoices"],
        auth_method: AuthMethod::PrivateKeyJwt,
        days_ago: 30,
        tokens: 14,
        introspections: 40,
        verifications: 0,
    },
    SampleClient {
        account: 2,
        name: "Point of sale",
        scope: "orders:write inventory:read",
        resource_servers: &["orders", "inventory"],
        auth_method: AuthMethod::ClientSecretBasic,
        days_ago: 23,
        tokens: 95,
        introspections: 120,
        verifications: 220,
    },
    SampleClient {
        account: 2,
        name: "Price checker",
        scope: "inventory:read",
        resource_servers: &["inventory"],
        auth_method: AuthMethod::ClientSecretBasic,
        days_ago: 19,
        tokens: 0,
        introspections: 260,
        verifications: 90,
    },
    SampleClient {
        account: 3,
        name: "Settlement",
        scope: "invoices:read invoices:write",
        resource_servers: &["invoices"],
        auth_method: AuthMethod::PrivateKeyJwt,
        days_ago: 11,
        tokens: 38,
        introspections: 85,
        verifications: 0,
    },
    SampleClient {
        account: 3,
        name: "Fraud scoring",
        scope: "orders:read",
        resource_servers: &["orders"],
        auth_method: AuthMethod::ClientSecretBasic,
        days_ago: 10,
        tokens: 0,
        introspections: 0,
        verifications: 0,
    },
];

/// Indexes into [`CLIENTS`].
pub(super) const WAREHOUSE_SYNC: usize = 0;
pub(super) const OLD_IMPORTER: usize = 2;
pub(super) const BOUTIQUE: usize = 3;
pub(super) const COMPTABILITE: usize = 4;
pub(super) const POINT_OF_SALE: usize = 5;
pub(super) const PRICE_CHECKER: usize = 6;
pub(super) const SETTLEMENT: usize = 7;
pub(super) const FRAUD_SCORING: usize = 8;

/// The identifier of a resource server.
pub(super) fn identifier(path: &str) -> String {
    format!("{API}/{path}")
}
