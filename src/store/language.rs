//! The languages in which the portal is shown.

use strum::{EnumString, IntoStaticStr, VariantNames};

use super::names::{UnknownName, named_in_json};

/// A language of the portal.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    EnumString,
    IntoStaticStr,
    VariantNames,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[strum(parse_err_ty = UnknownName, parse_err_fn = unknown_language)]
#[diesel(sql_type = diesel::sql_types::Text)]
#[expect(missing_docs, reason = "the names are those of the languages")]
pub enum Language {
    #[strum(serialize = "en")]
    English,
    #[strum(serialize = "fr")]
    French,
}

fn unknown_language(_: &str) -> UnknownName {
    let names = Language::VARIANTS.join(", ");
    UnknownName(format!("the languages are {names}"))
}

named_in_json!(Language);

impl Language {
    /// All languages. The first is the default.
    pub const ALL: [Language; 2] = [Language::English, Language::French];

    /// The BCP 47 primary language subtag.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
