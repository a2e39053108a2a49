//! How the types of the entities are stored in columns.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Text};

use super::account::AccountKind;
use super::announcement::Severity;
use super::api_key::IpRanges;
use super::client::{AuthMethod, DisabledBy};
use super::grant_type::GrantTypes;
use super::language::Language;
use super::mail::MailKind;
use super::resource_server::{Resources, TokenTyp};
use super::security_profile::SecurityProfile;
use super::session::AuthLevel;
use super::trust_rule::{Conditions, RuleKind};
use super::user::Role;
use super::webhook::WebhookDisabledBy;
use super::webhook_delivery::DeliveryFailure;
use crate::clock::Timestamp;
use crate::crypto::jws::SignatureAlgorithm;
use crate::crypto::x509::CertificateName;
use crate::scope::Scope;

impl<DB: Backend> FromSql<BigInt, DB> for Timestamp
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        i64::from_sql(value).map(Timestamp::from_millis)
    }
}

impl<DB: Backend> ToSql<BigInt, DB> for Timestamp
where
    i64: ToSql<BigInt, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.as_millis().to_sql(out)
    }
}

/// Stores types with a canonical text: written with `as_str`, read with `FromStr`.
macro_rules! stored_as_text {
    ($($type:ty),*) => {$(
        impl<DB: Backend> FromSql<Text, DB> for $type
        where
            String: FromSql<Text, DB>,
        {
            fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
                Ok(String::from_sql(value)?.parse::<$type>()?)
            }
        }

        impl<DB: Backend> ToSql<Text, DB> for $type
        where
            str: ToSql<Text, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.as_str().to_sql(out)
            }
        }
    )*};
}

stored_as_text!(
    Scope,
    AccountKind,
    Language,
    Resources,
    TokenTyp,
    AuthMethod,
    DisabledBy,
    GrantTypes,
    SignatureAlgorithm,
    CertificateName,
    IpRanges,
    Role,
    AuthLevel,
    Conditions,
    RuleKind,
    SecurityProfile,
    WebhookDisabledBy,
    DeliveryFailure,
    MailKind,
    Severity
);
