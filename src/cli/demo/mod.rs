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
use crate::client_certificate::ClientCertificate;
use crate::clock::Timestamp;
use crate::config::Registration;
use crate::credential::{Credential, new_id, random_bytes};
use crate::crypto::jws::{PrivateKey, SignatureAlgorithm};
use crate::error::{Code, Error};
use crate::manage::actor::{
    AccountsWrite, Actor, ClientsWrite, KeysWrite, RegistrationWrite, ResourcesWrite, UsersWrite,
};
use crate::manage::api_key::{self, IpRanges, NewApiKey};
use crate::manage::client::{self, NewClient};
use crate::manage::registration_token::{self, NewRegistrationToken};
use crate::manage::resource_server::{self, NewResourceServer, TokenFormat};
use crate::manage::secret::NewSecret;
use crate::manage::signing_key::{self, RotationPolicy, SigningKeyServices};
use crate::manage::user::{self, Passwords, Role};
use crate::manage::{RequestContext, account, invitation, secret};
use crate::oauth::grant::GrantType;
use crate::oauth::{AuthorizationServer, registration};
use crate::request_context::{RequestId, UserAgent};
use crate::secret::SecretString;
use crate::store::audit::{Action, Recorder};
use crate::store::client::Client;
use crate::store::membership::Membership;
use crate::store::security_profile::SecurityProfile;
use crate::store::{DatabaseUrl, Store};
use crate::trace_context::TraceContext;

mod activity;
mod samples;

use samples::{
    ACCOUNTS, BOUTIQUE, CLIENTS, FRAUD_SCORING, MEMBER_OF_TWO, OLD_IMPORTER, OPERATOR,
    POINT_OF_SALE, PRICE_CHECKER, Password, RESOURCE_SERVERS, SETTLEMENT, SampleClient,
    WAREHOUSE_SYNC, identifier,
};

/// The database, where no other one is named.
const DATABASE: &str = "sqlite://data/demo.db";

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

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
    demo.add_membership(&accounts).await?;
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
            client_certificate: ClientCertificate::NONE,
            user_agent: UserAgent::NONE,
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
            security_profile: settings.security_profile,
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
        signing_key::make_due_change(services, &keys, &[], self.days_ago(9)).await?;
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
                let permit = operator.may(UsersWrite)?;
                let sealing_keys = self.server.sealing_keys();
                invitation::create(&self.store, permit, sealing_keys, email).await?;
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
                token_format: TokenFormat::default(),
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

    /// Adds a user of one account to another one, as an invitation that was accepted does.
    async fn add_membership(&self, accounts: &[CreatedAccount]) -> Result<(), Error> {
        let (name, first, further) = MEMBER_OF_TWO;
        let email = format!("{name}@{}", ACCOUNTS[first].domain);
        let account_id = accounts[further].id.clone();
        let at = self
            .days_ago(ACCOUNTS[further].days_ago)
            .saturating_add(2 * HOUR);
        let recorder = Recorder::without_request(format!("user {email}"), at);
        self.store
            .write(at, move |transaction| {
                let found = crate::store::user::find_by_email(transaction.database(), &email)?;
                let user = found.ok_or_else(|| Error::server_error("a user is missing"))?;
                let membership = Membership {
                    user_id: user.id,
                    account_id: account_id.clone(),
                    role: Role::Developer,
                    created_at: at,
                };
                crate::store::membership::insert(transaction, &membership)?;
                let action = Action::AccountInvitationAccept;
                Ok(recorder.record(transaction, action, Some(&account_id), &email)?)
            })
            .await
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
                profile: SecurityProfile::None,
                certificate_name: None,
                tls_client_certificate_bound_access_tokens: false,
            };
            let at = self.days_ago(sample.days_ago).saturating_add(3 * HOUR);
            let permit = self.operator(at).may(ClientsWrite)?;
            let created_client = client::create(&self.store, permit, new).await?;
            created.push(CreatedClient {
                client: created_client.client,
                secret: created_client.secret,
                api_key: created_client
                    .api_key
                    .ok_or_else(|| internal("the client has no API key"))?,
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
        let new = NewSecret {
            name: Some("Nightly import".to_owned()),
            lifetime: Some(60 * DAY),
        };
        secret::create(&self.store, ines.may(KeysWrite)?, id, new).await?;

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
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::server_error(error.to_string())
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
