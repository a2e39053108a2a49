//! `keyward demo`: a new database with sample data, to try the portal with and to take screenshots of.
//!
//! Everything is made by the operations that people and programs use, at moments of the last weeks, so that
//! the audit and the rules are the real ones. Only requests are invented: they are counted, and none was made.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Context;
use super::output::Output;
use crate::bootstrap;
use crate::clock::Timestamp;
use crate::config::Registration;
use crate::credential::{Credential, new_id, random_bytes};
use crate::crypto::jws::{PrivateKey, SignatureAlgorithm};
use crate::error::{Code, Error};
use crate::manage::actor::{
    AccountsWrite, Actor, ClientsWrite, KeysWrite, RegistrationWrite, ResourcesWrite, UsersWrite,
};
use crate::manage::api_key::{self, IpRanges, NewApiKey};
use crate::manage::client::{self, AuthMethod, NewClient};
use crate::manage::registration_token::{self, NewRegistrationToken};
use crate::manage::resource_server::{self, NewResourceServer, TokenTyp};
use crate::manage::signing_key::{self, RotationPolicy, SigningKeyServices};
use crate::manage::user::{self, Passwords, Role};
use crate::manage::{RequestContext, account, invitation, secret};
use crate::metrics::CredentialKind;
use crate::oauth::failures::FailureSubject;
use crate::oauth::grant::GrantType;
use crate::oauth::reason::Reason;
use crate::oauth::usage::TimedRoute;
use crate::oauth::{AuthorizationServer, registration};
use crate::request_context::RequestId;
use crate::secret::SecretString;
use crate::store::client::Client;
use crate::store::{DatabaseUrl, Store};
use crate::trace_context::TraceContext;

/// The database, where no other one is named.
const DATABASE: &str = "sqlite://data/demo.db";

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The path of each resource server below this URL, its name and its scope.
const API: &str = "https://api.example.com";
const RESOURCE_SERVERS: [(&str, &str, &str); 3] = [
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

const OPERATOR: &str = "operator@keyward.example";

/// An account, with its users.
struct SampleAccount {
    name: &'static str,
    /// The users have addresses in this domain.
    domain: &'static str,
    days_ago: u32,
    users: &'static [(&'static str, Role, Password)],
}

/// Whether a user has a password yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Password {
    Set,
    /// The user has an invitation.
    Invited,
}

const ACCOUNTS: [SampleAccount; 4] = [
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

/// A client, with what it does in an hour of the middle of the day.
struct SampleClient {
    /// The place of its account in [`ACCOUNTS`].
    account: usize,
    name: &'static str,
    scope: &'static str,
    resource_servers: &'static [&'static str],
    auth_method: AuthMethod,
    days_ago: u32,
    tokens: u64,
    introspections: u64,
    verifications: u64,
}

const CLIENTS: [SampleClient; 9] = [
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
const WAREHOUSE_SYNC: usize = 0;
const OLD_IMPORTER: usize = 2;
const BOUTIQUE: usize = 3;
const COMPTABILITE: usize = 4;
const POINT_OF_SALE: usize = 5;
const PRICE_CHECKER: usize = 6;
const SETTLEMENT: usize = 7;
const FRAUD_SCORING: usize = 8;

/// Creates the sample data.
pub async fn run(mut context: Context) -> Result<Output, Error> {
    if context.sources.is_default("database_url") {
        context.settings.database_url = DATABASE
            .parse::<DatabaseUrl>()
            .map_err(|error| Error::server_error(format!("{DATABASE}: {error}")))?;
    }
    // The sample client that registers itself has an initial access token.
    context.settings.registration = Registration::Token;
    context.check_settings()?;
    let store = new_store(&context).await?;
    let password = SecretString::new(new_id());
    let demo = Demo {
        server: context.authorization_server().await?,
        passwords: Passwords::default(),
        password: &password,
        now: context.now,
        store,
    };
    demo.make_signing_keys(&context).await?;
    demo.create_user(OPERATOR, Role::Operator, None, 42, Password::Set)
        .await?;
    let resource_servers = demo.create_resource_servers().await?;
    let accounts = demo.create_accounts().await?;
    let clients = demo.create_clients(&accounts).await?;
    let keys = demo.create_api_keys(&accounts, &clients).await?;
    demo.rotate_secrets(&accounts, &clients).await?;
    demo.disable_clients(&accounts, &clients).await?;
    demo.register_a_client(&accounts).await?;
    demo.record_failures(&clients, &keys);
    demo.count_requests(&clients, &keys, &resource_servers[0].client);
    demo.server.usage.write(&demo.store, demo.now).await?;
    Ok(shown(
        &context,
        &password,
        &clients[WAREHOUSE_SYNC],
        &resource_servers[0],
    ))
}

/// Opens the database, which must be new.
async fn new_store(context: &Context) -> Result<Arc<Store>, Error> {
    let store = context.store_or_new()?;
    if bootstrap::is_new(&store).await? {
        return Ok(store);
    }
    let reason = format!(
        "{} is in use; sample data needs a new database: use --database-url",
        store.url()
    );
    Err(Error::new(Code::Conflict, reason))
}

/// What the sample data is created with.
struct Demo<'a> {
    store: Arc<Store>,
    server: AuthorizationServer,
    passwords: Passwords,
    /// The password of all users.
    password: &'a SecretString,
    now: Timestamp,
}

/// An account that was created.
struct CreatedAccount {
    id: String,
    /// E-mail address of the user who creates its clients and keys.
    administrator: String,
    place: u8,
}

/// A client that was created, with its credentials.
struct CreatedClient {
    client: Client,
    secret: Option<Credential>,
    api_key: Credential,
    sample: &'static SampleClient,
}

/// A resource server that was created, with the client that it introspects with.
struct CreatedResourceServer {
    identifier: String,
    client: Client,
    secret: Credential,
}

/// The ids of API keys that the sample requests present.
struct ApiKeys {
    /// An active key for each client.
    active: Vec<String>,
    expired: String,
    revoked: String,
}

impl Demo<'_> {
    fn days_ago(&self, days: u32) -> Timestamp {
        self.now.saturating_sub(days * DAY)
    }

    /// A request from an address of the network of an account (RFC 5737).
    fn request(&self, network: u8, host: u8, received_at: Timestamp) -> RequestContext {
        let octets = match network {
            0 => [192, 0, 2, host],
            1 => [198, 51, 100, host],
            2 => [203, 0, 113, host],
            _ => [203, 0, 113, host | 0x80],
        };
        let request_id = RequestId::new(received_at, &random_bytes());
        RequestContext {
            client_ip: IpAddr::V4(Ipv4Addr::from(octets)).into(),
            received_at,
            request_id,
            trace: TraceContext::new(None, request_id.as_u128(), 1),
        }
    }

    /// The administrator of an account, signed in to the portal.
    fn administrator(&self, account: &CreatedAccount, at: Timestamp) -> Arc<Actor> {
        let request = self.request(account.place, 17, at);
        let (email, id) = (&account.administrator, &account.id);
        Arc::new(Actor::user(email, Role::Administrator, Some(id), &request))
    }

    /// An operator at the command line.
    fn operator(&self, at: Timestamp) -> Arc<Actor> {
        Arc::new(Actor::command_line(at))
    }

    /// Creates a signing key and rotates it once.
    async fn make_signing_keys(&self, context: &Context) -> Result<(), Error> {
        let settings = &context.settings;
        let policy = RotationPolicy {
            jwks_max_age: settings.jwks_max_age,
            token_ttl: settings.token_ttl,
            // The first key is due for rotation immediately.
            max_age: Duration::ZERO,
        };
        let file = context.sealing_keys_or_new(&self.store).await?;
        let services = SigningKeyServices {
            store: &self.store,
            sealing_keys: &file,
            policy,
        };
        signing_key::ensure(services, self.days_ago(42)).await?;
        // A rotation on request counts from the present, since a key must be published before it signs.
        let keys = self.store.read(crate::store::signing_key::list).await?;
        signing_key::rotate_if_due(services, &keys, self.days_ago(9)).await?;
        Ok(())
    }

    async fn create_user(
        &self,
        email: &str,
        role: Role,
        account: Option<&str>,
        days_ago: u32,
        password: Password,
    ) -> Result<(), Error> {
        let at = self.days_ago(days_ago).saturating_add(HOUR);
        let permit = self.operator(at).may(UsersWrite)?;
        let account = account.map(str::to_owned);
        user::create(&self.store, permit.clone(), email, role, account).await?;
        match password {
            Password::Set => {
                let text = self.password.clone();
                user::set_password(&self.store, &self.passwords, permit, email, text).await?;
            }
            Password::Invited => {
                let operator = self.operator(self.days_ago(2));
                invitation::create(&self.store, operator.may(UsersWrite)?, email).await?;
            }
        }
        Ok(())
    }

    async fn create_resource_servers(&self) -> Result<Vec<CreatedResourceServer>, Error> {
        let mut created = Vec::new();
        for (path, name, scope) in RESOURCE_SERVERS {
            let operator = self.operator(self.days_ago(42).saturating_add(2 * HOUR));
            let new = NewResourceServer {
                identifier: identifier(path),
                name: name.to_owned(),
                scope: scope.parse().map_err(internal)?,
                token_typ: TokenTyp::default(),
            };
            let resource =
                resource_server::create(&self.store, operator.may(ResourcesWrite)?, new).await?;
            created.push(CreatedResourceServer {
                identifier: resource.server.identifier,
                client: self.client(&resource.server.client_id).await?,
                secret: resource.secret,
            });
        }
        Ok(created)
    }

    async fn client(&self, client_id: &str) -> Result<Client, Error> {
        let id = client_id.to_owned();
        let found = self
            .store
            .read(move |database| crate::store::client::find(database, &id))
            .await?;
        found.ok_or_else(|| Error::server_error("a client that was just created is missing"))
    }

    async fn create_accounts(&self) -> Result<Vec<CreatedAccount>, Error> {
        let mut created = Vec::new();
        for (place, sample) in (0..).zip(&ACCOUNTS) {
            let operator = self.operator(self.days_ago(sample.days_ago));
            let permit = operator.may(AccountsWrite)?;
            let account = account::create(&self.store, permit, sample.name).await?;
            let email = |name: &str| format!("{name}@{}", sample.domain);
            for (name, role, password) in sample.users {
                let (email, account) = (email(name), Some(sample.name));
                self.create_user(&email, *role, account, sample.days_ago, *password)
                    .await?;
            }
            created.push(CreatedAccount {
                id: account.id,
                administrator: email(sample.users[0].0),
                place,
            });
        }
        Ok(created)
    }

    /// Creates the clients as the operator: only an operator can give an account a new scope.
    async fn create_clients(
        &self,
        accounts: &[CreatedAccount],
    ) -> Result<Vec<CreatedClient>, Error> {
        let mut created = Vec::new();
        for sample in &CLIENTS {
            let uses_secret = sample.auth_method.uses_secret();
            let new = NewClient {
                name: sample.name.to_owned(),
                account: Some(accounts[sample.account].id.clone()),
                scope: sample.scope.parse().map_err(internal)?,
                resources: sample
                    .resource_servers
                    .iter()
                    .map(|path| identifier(path))
                    .collect(),
                may_introspect: false,
                auth_method: sample.auth_method,
                jwks: (!uses_secret).then(public_key).transpose()?,
                dpop_bound_access_tokens: false,
            };
            let at = self.days_ago(sample.days_ago).saturating_add(3 * HOUR);
            let permit = self.operator(at).may(ClientsWrite)?;
            let created_client = client::create(&self.store, permit, new).await?;
            created.push(CreatedClient {
                client: created_client.client,
                secret: created_client.secret,
                api_key: created_client.api_key,
                sample,
            });
        }
        Ok(created)
    }

    /// Creates API keys as the administrators of the accounts: with an expiry, a reduced scope, an IP allowlist,
    /// one in rotation, one expired and one revoked.
    async fn create_api_keys(
        &self,
        accounts: &[CreatedAccount],
        clients: &[CreatedClient],
    ) -> Result<ApiKeys, Error> {
        let create = async |client: &CreatedClient, new: NewApiKey, at: Timestamp| {
            let administrator = self.administrator(&accounts[client.sample.account], at);
            let permit = administrator.may(KeysWrite)?;
            let (_, view) =
                api_key::create(&self.store, permit, &client.client.client_id, new).await?;
            Ok::<_, Error>(view.id)
        };
        let named = |name: &str, expires_at| NewApiKey {
            name: name.to_owned(),
            expires_at,
            ..NewApiKey::default()
        };
        let mut active = Vec::new();
        for client in clients {
            let created = self
                .days_ago(client.sample.days_ago)
                .saturating_add(5 * HOUR);
            let end = Some(created.saturating_add(90 * DAY));
            active.push(create(client, named("Production", end), created).await?);
        }
        let office = IpRanges::from_words(["203.0.113.0/24"])
            .map_err(|error| Error::server_error(error.to_string()))?;
        let from_the_office = NewApiKey {
            scope: Some("inventory:read".parse().map_err(internal)?),
            allowed_ips: office,
            ..named("Shop in Leeds", None)
        };
        create(&clients[POINT_OF_SALE], from_the_office, self.days_ago(15)).await?;

        let soon = Some(self.days_ago(20).saturating_add(19 * DAY));
        let trial = named("Trial", soon);
        let expired = create(&clients[BOUTIQUE], trial, self.days_ago(20)).await?;
        let leaked = named("Build server", None);
        let revoked = create(&clients[PRICE_CHECKER], leaked, self.days_ago(14)).await?;

        let at = self.days_ago(3);
        let sam = self.administrator(&accounts[CLIENTS[PRICE_CHECKER].account], at);
        let id = &clients[PRICE_CHECKER].client.client_id;
        api_key::delete(&self.store, sam.may(KeysWrite)?, id, &revoked).await?;

        let at = self.now.saturating_sub(10 * HOUR);
        let ines = self.administrator(&accounts[CLIENTS[WAREHOUSE_SYNC].account], at);
        let id = &clients[WAREHOUSE_SYNC].client.client_id;
        let old = &active[WAREHOUSE_SYNC];
        api_key::rotate(&self.store, ines.may(KeysWrite)?, id, old, 7 * DAY).await?;
        Ok(ApiKeys {
            active,
            expired,
            revoked,
        })
    }

    /// Creates a secret that expires beside one that does not, and rotates another.
    async fn rotate_secrets(
        &self,
        accounts: &[CreatedAccount],
        clients: &[CreatedClient],
    ) -> Result<(), Error> {
        let at = self.days_ago(6);
        let ines = self.administrator(&accounts[CLIENTS[WAREHOUSE_SYNC].account], at);
        let id = &clients[WAREHOUSE_SYNC].client.client_id;
        secret::create(&self.store, ines.may(KeysWrite)?, id, Some(60 * DAY)).await?;

        let at = self.days_ago(2);
        let camille = self.administrator(&accounts[CLIENTS[BOUTIQUE].account], at);
        let id = &clients[BOUTIQUE].client.client_id;
        secret::rotate(&self.store, camille.may(KeysWrite)?, id, 7 * DAY).await?;
        Ok(())
    }

    /// Disables one client as the operator, and one as an administrator of its account.
    async fn disable_clients(
        &self,
        accounts: &[CreatedAccount],
        clients: &[CreatedClient],
    ) -> Result<(), Error> {
        let id = &clients[OLD_IMPORTER].client.client_id;
        let operator = self.operator(self.days_ago(8));
        client::disable(&self.store, operator.may(ClientsWrite)?, id).await?;
        let at = self.days_ago(1);
        let amara = self.administrator(&accounts[CLIENTS[FRAUD_SCORING].account], at);
        let id = &clients[FRAUD_SCORING].client.client_id;
        client::disable(&self.store, amara.may(ClientsWrite)?, id).await?;
        Ok(())
    }

    /// Registers a client (RFC 7591) with an initial access token.
    async fn register_a_client(&self, accounts: &[CreatedAccount]) -> Result<(), Error> {
        let account = &accounts[CLIENTS[SETTLEMENT].account];
        let new = NewRegistrationToken {
            account: Some(account.id.clone()),
            scope: "invoices:read".parse().map_err(internal)?,
            resources: vec![identifier("invoices")],
            uses: Some(5),
            lifetime: Some(30 * DAY),
        };
        let operator = self.operator(self.days_ago(5));
        let permit = operator.may(RegistrationWrite)?;
        let (token, ..) = registration_token::create(&self.store, permit, new).await?;
        let request = registration::RegistrationRequest {
            authorization: Some(format!("Bearer {}", token.expose())),
            context: self.request(account.place, 40, self.days_ago(4)),
        };
        let metadata = json!({
            "client_name": "Reconciliation agent",
            "grant_types": [GrantType::ClientCredentials.as_str()],
            "token_endpoint_auth_method": "client_secret_basic",
            "scope": "invoices:read",
            "resources": [identifier("invoices")],
            "software_id": "reconciliation-agent",
            "software_version": "2.4.1",
        });
        registration::register(&self.server, &request, metadata.to_string().as_bytes()).await?;
        Ok(())
    }

    /// Records failed authentications and refused requests, with the most common reasons.
    fn record_failures(&self, clients: &[CreatedClient], keys: &ApiKeys) {
        let yesterday = self.days_ago(1);
        let by_client = [
            (BOUTIQUE, 1, Reason::wrong_secret("mQ3rT8kZ")),
            (BOUTIQUE, 26, Reason::not_a_secret()),
            (OLD_IMPORTER, 2, Reason::client_disabled()),
            (OLD_IMPORTER, 5, Reason::client_disabled()),
            (OLD_IMPORTER, 9, Reason::client_disabled()),
            (OLD_IMPORTER, 31, Reason::client_disabled()),
            (
                POINT_OF_SALE,
                4,
                Reason::wrong_method("client_secret_basic"),
            ),
            (COMPTABILITE, 7, Reason::assertion_ended(94)),
            (
                COMPTABILITE,
                12,
                Reason::assertion_wrong_audience("https://auth.example.com"),
            ),
            (SETTLEMENT, 3, Reason::assertion_no_fitting_key()),
            (SETTLEMENT, 70, Reason::assertion_used()),
            (FRAUD_SCORING, 6, Reason::client_disabled()),
        ];
        for (place, hours, reason) in by_client {
            let client = &clients[place].client;
            let named = Some(client.client_id.as_str());
            self.fail(hours, place, named, client, &client.client_id, &reason);
        }
        let by_key = [
            (BOUTIQUE, 8, &keys.expired, Reason::key_ended()),
            (BOUTIQUE, 16, &keys.expired, Reason::key_ended()),
            (
                PRICE_CHECKER,
                2,
                &keys.revoked,
                Reason::key_revoked("Build server"),
            ),
            (
                PRICE_CHECKER,
                19,
                &keys.revoked,
                Reason::key_revoked("Build server"),
            ),
            (
                PRICE_CHECKER,
                54,
                &keys.revoked,
                Reason::key_revoked("Build server"),
            ),
            (
                POINT_OF_SALE,
                11,
                &keys.active[POINT_OF_SALE],
                Reason::address_not_allowed(),
            ),
        ];
        for (place, hours, key, reason) in by_key {
            self.fail(hours, place, None, &clients[place].client, key, &reason);
        }
        let refused = Reason::insufficient_scope("inventory:write");
        for hours in [1, 13, 22] {
            let at = self.now.saturating_sub(hours * HOUR);
            let (client, key) = (&clients[PRICE_CHECKER].client, &keys.active[PRICE_CHECKER]);
            let request = self.request(2, 60, at);
            self.server
                .record_refused_verification(&request, client, key, &refused);
        }
        let stranger = FailureSubject {
            client_id: Some("orders-app"),
            client: None,
            target: "orders-app",
        };
        let request = self.request(3, 99, yesterday);
        self.server.record_failed_authentication(
            &request,
            &stranger,
            &Reason::unknown_client(),
            refusal(),
        );
    }

    fn fail(
        &self,
        hours: u32,
        place: usize,
        client_id: Option<&str>,
        client: &Client,
        target: &str,
        reason: &Reason,
    ) {
        let subject = FailureSubject {
            client_id,
            client: Some(client),
            target,
        };
        let at = self.now.saturating_sub(hours * HOUR + hours * MINUTE / 3);
        let network = u8::try_from(CLIENTS[place].account).unwrap_or_default();
        let request = self.request(network, 21, at);
        self.server
            .record_failed_authentication(&request, &subject, reason, refusal());
    }

    /// Counts the requests of the last 24 hours, which the charts show.
    fn count_requests(&self, clients: &[CreatedClient], keys: &ApiKeys, asking: &Client) {
        let usage = &self.server.usage;
        let mut noise = Noise(0x6B65_7977_6172_6421);
        for minutes in 1..24 * 60 {
            let at = self.now.saturating_sub(minutes * MINUTE);
            let busy = busy_percent(at);
            for (created, key) in clients.iter().zip(&keys.active) {
                let (client, sample) = (&created.client, created.sample);
                for _ in 0..noise.in_minute(sample.tokens * busy / 100) {
                    usage.count_token(client, GrantType::ClientCredentials, at);
                    usage.count_time(TimedRoute::Token, noise.latency(900), at);
                }
                for _ in 0..noise.in_minute(sample.introspections * busy / 100) {
                    let kind = CredentialKind::ApiKey;
                    usage.count_introspection(asking, Some(client), kind, at);
                    usage.count_time(TimedRoute::Introspection, noise.latency(220), at);
                    usage.record_key_use(key, at);
                }
                for _ in 0..noise.in_minute(sample.verifications * busy / 100) {
                    usage.count_verification(client, at);
                    usage.record_key_use(key, at);
                }
            }
        }
    }
}

/// The identifier of a resource server.
fn identifier(path: &str) -> String {
    format!("{API}/{path}")
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::server_error(error.to_string())
}

fn refusal() -> Error {
    Error::new(Code::InvalidClient, "Client authentication failed")
}

/// A public key as a JWK Set; the private key is discarded.
fn public_key() -> Result<String, Error> {
    let algorithm = SignatureAlgorithm::Es256;
    let private = PrivateKey::generate(algorithm).map_err(internal)?;
    let mut jwk = private.public_key().map_err(internal)?.to_jwk();
    jwk["alg"] = json!(algorithm.as_str());
    jwk["use"] = json!("sig");
    jwk["kid"] = json!(new_id());
    Ok(json!({"keys": [jwk]}).to_string())
}

/// Traffic in an hour of the day (UTC), in percent of the daily maximum.
fn busy_percent(at: Timestamp) -> u64 {
    const BUSY: [u64; 24] = [
        12, 10, 9, 9, 11, 18, 34, 58, 82, 96, 100, 98, 90, 95, 99, 97, 92, 84, 70, 52, 38, 28, 20,
        15,
    ];
    let hour = at.seconds().div_euclid(3600).rem_euclid(24);
    usize::try_from(hour).map_or(0, |hour| BUSY[hour])
}

/// Pseudo-random numbers, the same in each run (xorshift).
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// How many requests come in a minute, of which `in_hour` come in an hour.
    fn in_minute(&mut self, in_hour: u64) -> u64 {
        (in_hour + self.below(60)) / 60
    }

    /// A duration around `usual` microseconds: now and then much longer, as on a busy machine.
    fn latency(&mut self, usual: u64) -> Duration {
        let slow = match self.below(200) {
            0 => 12,
            1..=9 => 3,
            _ => 1,
        };
        Duration::from_micros(usual * slow + self.below(usual))
    }
}

/// The next steps, with the password and the credentials, which are shown only once.
fn shown(
    context: &Context,
    password: &SecretString,
    client: &CreatedClient,
    resource_server: &CreatedResourceServer,
) -> Output {
    let (database, portal) = (
        context.settings.database_url.to_string(),
        context.settings.issuer().endpoint("/portal"),
    );
    let users: Vec<(String, Role, &str)> =
        std::iter::once((OPERATOR.to_owned(), Role::Operator, ""))
            .chain(ACCOUNTS.iter().flat_map(|account| {
                let with_password = account.users.iter().filter(|user| user.2 == Password::Set);
                with_password.map(|(name, role, _)| {
                    (format!("{name}@{}", account.domain), *role, account.name)
                })
            }))
            .collect();
    let password = password.expose();
    let secret = client.secret.as_ref().map(Credential::expose);
    let document = json!({
        "database": database,
        "portal": portal,
        "password": password,
        "users": users.iter().map(user_document).collect::<Vec<_>>(),
        "client": {
            "client_id": client.client.client_id,
            "client_secret": secret,
            "api_key": client.api_key.expose(),
            "scope": client.client.scope,
        },
        "resource": {
            "identifier": resource_server.identifier,
            "client_id": resource_server.client.client_id,
            "client_secret": resource_server.secret.expose(),
        },
    });
    let table: Vec<String> = users
        .iter()
        .map(|(email, role, account)| {
            format!("  {email:28} {:14} {account}", role.as_str())
                .trim_end()
                .to_owned()
        })
        .collect();
    let words = format!(
        "Created sample data in {database}. Start the server:

  keyward serve --database-url {database}

Sign in at {portal}
with the password {password} (shown only once) as one of:

{}

A client of {} with its API key, and the client of the Orders API for introspection:

  export CLIENT_ID={}
  export CLIENT_SECRET={}
  export API_KEY={}
  export RESOURCE_ID={}
  export RESOURCE_SECRET={}
",
        table.join("\n"),
        ACCOUNTS[client.sample.account].name,
        client.client.client_id,
        secret.unwrap_or_default(),
        client.api_key.expose(),
        resource_server.client.client_id,
        resource_server.secret.expose(),
    );
    Output::new(&document, words)
}

fn user_document((email, role, account): &(String, Role, &str)) -> Value {
    let account = (!account.is_empty()).then_some(account);
    json!({"email": email, "role": role, "account": account})
}
