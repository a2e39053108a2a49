//! The conditions of a trust rule: which values the claims of a JWT must have.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::slice;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use strum::{EnumString, IntoStaticStr, VariantNames};

use crate::store::names::{UnknownName, named_in_json};

/// The maximum number of conditions of a rule.
pub const MAX_CONDITIONS: usize = 10;

/// The maximum length of the path of a claim, in bytes.
const MAX_CLAIM: usize = 200;

/// The maximum length of the value of a condition, in bytes.
const MAX_VALUE: usize = 512;

/// The maximum length of a claim that a glob is compared with, in bytes.
const MAX_GLOB_INPUT: usize = 2048;

/// How much of the elements of an array a glob is compared with, in bytes. Nobody has verified the JWT
/// at this point.
const MAX_GLOB_ARRAY: usize = 16 * 1024;

/// What the comparison of an element costs beside its length, in bytes.
const GLOB_OVERHEAD: usize = 16;

/// How many objects are searched for a claim. A path has few readings in an honest JWT.
const MAX_SEARCHED: usize = 32;

/// How the value of a condition is compared with a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantNames)]
#[strum(
    serialize_all = "snake_case",
    parse_err_ty = UnknownName,
    parse_err_fn = unknown_operator
)]
pub enum Operator {
    /// The claim is this value.
    Exact,
    /// The claim begins with this value.
    Prefix,
    /// The claim matches this pattern: `*` stands for any characters but `/` and `:`, `**` for any
    /// characters.
    Glob,
}

impl Operator {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The symbol in the text form of a condition.
    fn symbol(self) -> &'static str {
        match self {
            Operator::Exact => "=",
            Operator::Prefix => "^=",
            Operator::Glob => "~=",
        }
    }
}

fn unknown_operator(_: &str) -> UnknownName {
    let names = Operator::VARIANTS.join(", ");
    UnknownName(format!("the operators are {names}"))
}

named_in_json!(Operator);

/// A condition on one claim. Its text form is `CLAIM=VALUE` for [`Operator::Exact`],
/// `CLAIM^=VALUE` for [`Operator::Prefix`] and `CLAIM~=PATTERN` for [`Operator::Glob`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "UncheckedCondition")]
pub struct Condition {
    claim: String,
    operator: Operator,
    value: String,
}

/// A condition on a claim.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Condition")]
struct UncheckedCondition {
    /// The name of the claim; for a member of an object the path to it, joined by dots, such as
    /// `kubernetes.io.namespace`.
    #[schemars(length(min = 1, max = 200))]
    claim: String,
    /// How the value is compared: `exact`, `prefix`, or `glob`, in which `*` stands for any
    /// characters but `/` and `:`, and `**` for any characters.
    operator: Operator,
    /// The value, the beginning of the value, or the pattern.
    #[schemars(length(min = 1, max = 512))]
    value: String,
}

impl schemars::JsonSchema for Condition {
    fn schema_name() -> Cow<'static, str> {
        UncheckedCondition::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        UncheckedCondition::json_schema(generator)
    }
}

impl TryFrom<UncheckedCondition> for Condition {
    type Error = InvalidCondition;

    fn try_from(unchecked: UncheckedCondition) -> Result<Self, InvalidCondition> {
        Condition::new(&unchecked.claim, unchecked.operator, &unchecked.value)
    }
}

/// Why conditions are not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCondition {
    /// The text form has no operator.
    #[error("a condition is CLAIM=VALUE, CLAIM^=PREFIX or CLAIM~=PATTERN")]
    Syntax,
    /// The name of the claim is empty, too long, or contains a control character.
    #[error("the claim of a condition has 1 to 200 characters, and no control characters")]
    Claim,
    /// The value is empty, too long, or contains a control character.
    #[error("the value of a condition has 1 to 512 characters, and no control characters")]
    Value,
    /// The claim is checked by the rule itself.
    #[error("{0} is checked by the rule itself, and not by a condition")]
    Reserved(String),
    /// There are none, or too many.
    #[error("a rule has 1 to {MAX_CONDITIONS} conditions")]
    Count,
    /// The stored JSON cannot be read.
    #[error("{0}")]
    Json(String),
}

impl Condition {
    /// A condition.
    ///
    /// # Errors
    /// [`InvalidCondition`] if the claim or the value is empty, too long, or not printable.
    pub fn new(claim: &str, operator: Operator, value: &str) -> Result<Self, InvalidCondition> {
        let fits = |text: &str, max: usize| {
            (1..=max).contains(&text.len()) && !text.chars().any(char::is_control)
        };
        if !fits(claim, MAX_CLAIM) || claim.trim() != claim {
            return Err(InvalidCondition::Claim);
        }
        if ["iss", "aud", "exp", "nbf", "iat"].contains(&claim) {
            return Err(InvalidCondition::Reserved(claim.to_owned()));
        }
        if !fits(value, MAX_VALUE) {
            return Err(InvalidCondition::Value);
        }
        Ok(Condition {
            claim: claim.to_owned(),
            operator,
            value: value.to_owned(),
        })
    }

    /// The path of the claim.
    pub fn claim(&self) -> &str {
        &self.claim
    }

    /// How the value is compared.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// Whether the claims satisfy the condition. A claim that is missing, that is an object, or
    /// whose path can be read in two ways, satisfies none. Numbers and booleans are compared as
    /// JSON writes them. Of an array, one element has to satisfy the condition.
    pub fn matches(&self, claims: &Map<String, Value>) -> bool {
        self.accepted_value(claims).is_some()
    }

    /// The claim that satisfies the condition; of an array, the element that does.
    fn accepted_value<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let values = match find(claims, &self.claim)? {
            Value::Array(elements) => elements.as_slice(),
            value => slice::from_ref(value),
        };
        let accepted = |accepts: &mut dyn FnMut(&str) -> bool| {
            let mut values = values.iter();
            values.find(|one| scalar(one).is_some_and(|text| accepts(&text)))
        };
        match self.operator {
            Operator::Exact => accepted(&mut |text| text == self.value),
            Operator::Prefix => accepted(&mut |text| text.starts_with(&self.value)),
            Operator::Glob => {
                let glob = Glob::new(&self.value);
                let mut left = MAX_GLOB_ARRAY;
                accepted(&mut |text| {
                    left = left.saturating_sub(text.len() + GLOB_OVERHEAD);
                    left > 0 && glob.matches(text)
                })
            }
        }
    }

    /// The beginning that every accepted value has: all of the value, or what is before the first
    /// `*` of a pattern.
    pub fn literal_prefix(&self) -> &str {
        match self.operator {
            Operator::Exact | Operator::Prefix => &self.value,
            Operator::Glob => self.value.split('*').next().unwrap_or_default(),
        }
    }

    /// Whether only one value satisfies the condition.
    pub fn is_exact(&self) -> bool {
        match self.operator {
            Operator::Exact => true,
            Operator::Prefix => false,
            Operator::Glob => !self.value.contains('*'),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbol = self.operator.symbol();
        write!(f, "{}{symbol}{}", self.claim, self.value)
    }
}

impl FromStr for Condition {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        let (claim, value) = text.split_once('=').ok_or(InvalidCondition::Syntax)?;
        let (claim, operator) = match (claim.strip_suffix('^'), claim.strip_suffix('~')) {
            (Some(claim), _) => (claim, Operator::Prefix),
            (_, Some(claim)) => (claim, Operator::Glob),
            (None, None) => (claim, Operator::Exact),
        };
        Condition::new(claim, operator, value)
    }
}

/// A claim as text, if it is a string, a number or a boolean.
fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(boolean) => Some(Cow::Borrowed(if *boolean { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The claim at a path. The names of members may contain dots, so a path may be read in several
/// ways; `None` if more than one of them, or none, leads to a claim, or if there are too many.
pub fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut found = Vec::new();
    let mut searches_left = MAX_SEARCHED;
    collect(claims, path, &mut found, &mut searches_left);
    match found.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

fn collect<'a>(
    members: &'a Map<String, Value>,
    path: &str,
    found: &mut Vec<&'a Value>,
    searches_left: &mut usize,
) {
    let Some(left) = searches_left.checked_sub(1) else {
        found.clear();
        return;
    };
    *searches_left = left;
    found.extend(members.get(path));
    for (dot, _) in path.match_indices('.') {
        if found.len() > 1 {
            return;
        }
        if let Some(Value::Object(inner)) = members.get(&path[..dot]) {
            collect(inner, &path[dot + 1..], found, searches_left);
        }
    }
}

/// An element of a pattern.
#[derive(Clone, Copy)]
enum Element {
    Character(char),
    /// Any characters but `/` and `:`.
    Segment,
    /// Any characters.
    Any,
}

fn elements(pattern: &str) -> Vec<Element> {
    let mut elements = Vec::new();
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        elements.push(match character {
            '*' if characters.peek() == Some(&'*') => {
                while characters.next_if_eq(&'*').is_some() {}
                Element::Any
            }
            '*' => Element::Segment,
            other => Element::Character(other),
        });
    }
    elements
}

/// A pattern as a finite automaton. State `n` is reached when the first `n` elements have matched. All
/// states are followed together, as bits, without backtracking: the cost for a text is bounded by its
/// length times that of the pattern, divided by 64.
struct Glob {
    elements: usize,
    /// For each character of the pattern, the states that it leads on from.
    characters: HashMap<char, Vec<u64>>,
    /// The states that wait for more of a [`Element::Segment`].
    segments: Vec<u64>,
    /// The states that wait for more of an [`Element::Any`].
    any: Vec<u64>,
}

impl Glob {
    fn new(pattern: &str) -> Self {
        let elements = elements(pattern);
        // One state more than there are elements.
        let none = vec![0; elements.len() / 64 + 1];
        let mut glob = Glob {
            elements: elements.len(),
            characters: HashMap::new(),
            segments: none.clone(),
            any: none.clone(),
        };
        for (state, element) in elements.iter().enumerate() {
            let states = match element {
                Element::Character(own) => {
                    glob.characters.entry(*own).or_insert_with(|| none.clone())
                }
                Element::Segment => &mut glob.segments,
                Element::Any => &mut glob.any,
            };
            states[state / 64] |= 1 << (state % 64);
        }
        glob
    }

    /// Whether the whole text matches.
    fn matches(&self, text: &str) -> bool {
        if text.len() > MAX_GLOB_INPUT {
            return false;
        }
        let mut reached = vec![0; self.any.len()];
        reached[0] = 1;
        self.skip_wildcards(&mut reached);
        for character in text.chars() {
            let is_separator = matches!(character, '/' | ':');
            let matching = self.characters.get(&character);
            let mut carry = 0;
            for (word, states) in reached.iter_mut().enumerate() {
                let segments = if is_separator { 0 } else { self.segments[word] };
                let staying = *states & (self.any[word] | segments);
                let leaving = matching.map_or(0, |matching| *states & matching[word]);
                *states = staying | (leaving << 1) | carry;
                carry = leaving >> 63;
            }
            self.skip_wildcards(&mut reached);
        }
        reached[self.elements / 64] >> (self.elements % 64) & 1 == 1
    }

    /// A wildcard also stands for no characters. Two of them never follow each other.
    fn skip_wildcards(&self, reached: &mut [u64]) {
        let mut carry = 0;
        for (word, states) in reached.iter_mut().enumerate() {
            let wildcards = *states & (self.any[word] | self.segments[word]);
            *states |= (wildcards << 1) | carry;
            carry = wildcards >> 63;
        }
    }
}

/// The conditions of a rule, all of which a JWT has to satisfy. They are stored as a JSON array.
#[derive(
    Clone, Debug, PartialEq, Eq, diesel::expression::AsExpression, diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub struct Conditions {
    text: String,
    all: Vec<Condition>,
}

impl Conditions {
    /// The conditions of a rule.
    ///
    /// # Errors
    /// [`InvalidCondition::Count`] if there are none, or more than [`MAX_CONDITIONS`].
    pub fn new(all: Vec<Condition>) -> Result<Self, InvalidCondition> {
        if !(1..=MAX_CONDITIONS).contains(&all.len()) {
            return Err(InvalidCondition::Count);
        }
        let text = serde_json::to_string(&all)
            .map_err(|error| InvalidCondition::Json(error.to_string()))?;
        Ok(Conditions { text, all })
    }

    /// The JSON array.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The conditions, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Condition> {
        self.all.iter()
    }

    /// The conditions as a list.
    pub fn as_slice(&self) -> &[Condition] {
        &self.all
    }

    /// The claims that satisfy the conditions, for the audit.
    pub fn select(&self, claims: &Map<String, Value>) -> Map<String, Value> {
        self.all
            .iter()
            .filter_map(|one| Some((one.claim.clone(), one.accepted_value(claims)?.clone())))
            .collect()
    }
}

impl FromStr for Conditions {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        let all = serde_json::from_str(text)
            .map_err(|error| InvalidCondition::Json(error.to_string()))?;
        Conditions::new(all)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(text: &str) -> Condition {
        text.parse().unwrap()
    }

    #[test]
    fn a_condition_has_a_text_form() {
        for (text, claim, operator) in [
            ("sub=repo:a/b:ref:x", "sub", Operator::Exact),
            ("sub^=repo:a/b:", "sub", Operator::Prefix),
            ("sub~=repo:a/*:**", "sub", Operator::Glob),
            ("a=b=c", "a", Operator::Exact),
            (
                "kubernetes.io.namespace=x",
                "kubernetes.io.namespace",
                Operator::Exact,
            ),
            ("a^^=b", "a^", Operator::Prefix),
        ] {
            let parsed = condition(text);
            assert_eq!(
                (parsed.claim(), parsed.operator()),
                (claim, operator),
                "{text}"
            );
            assert_eq!(parsed.to_string(), text);
            let json = serde_json::to_string(&parsed).unwrap();
            assert_eq!(serde_json::from_str::<Condition>(&json).unwrap(), parsed);
        }
        for (text, refused) in [
            ("sub", InvalidCondition::Syntax),
            ("=x", InvalidCondition::Claim),
            ("^=x", InvalidCondition::Claim),
            (" sub=x", InvalidCondition::Claim),
            ("sub=", InvalidCondition::Value),
            ("sub=a\nb", InvalidCondition::Value),
            ("aud=x", InvalidCondition::Reserved("aud".to_owned())),
            ("iss=x", InvalidCondition::Reserved("iss".to_owned())),
        ] {
            assert_eq!(text.parse::<Condition>(), Err(refused), "{text:?}");
        }
        let long = format!("sub={}", "x".repeat(MAX_VALUE + 1));
        assert_eq!(long.parse::<Condition>(), Err(InvalidCondition::Value));
    }

    #[test]
    fn a_condition_is_compared_with_its_claim() {
        let claims = json!({
            "sub": "repo:acme/app:ref:refs/heads/main",
            "repository_id": 7,
            "email_verified": true,
            "groups": ["a", "b"],
            "nothing": null,
            "kubernetes.io": {"namespace": "payments", "serviceaccount": {"name": "batch"}},
            "twice": {"ways": "x"},
            "twice.ways": "x",
            "https://sts.amazonaws.com/": {"aws_account": "123"},
        });
        for (text, matches) in [
            ("sub=repo:acme/app:ref:refs/heads/main", true),
            ("sub=repo:acme/app:ref:refs/heads/main2", false),
            ("sub=repo:acme/app:ref:refs/heads/mai", false),
            ("sub=REPO:acme/app:ref:refs/heads/main", false),
            ("sub^=repo:acme/app:", true),
            ("sub^=repo:acme/app2", false),
            ("sub~=repo:acme/*:ref:refs/heads/main", true),
            ("sub~=repo:acme/*:ref:*", false),
            ("sub~=repo:acme/*:ref:**", true),
            ("sub~=repo:*:ref:refs/heads/main", false),
            ("repository_id=7", true),
            ("repository_id=07", false),
            ("email_verified=true", true),
            ("groups=b", true),
            ("groups=c", false),
            ("nothing=null", false),
            ("missing=x", false),
            ("kubernetes.io.namespace=payments", true),
            ("kubernetes.io.serviceaccount.name=batch", true),
            ("kubernetes.io=payments", false),
            ("kubernetes.namespace=payments", false),
            ("twice.ways=x", false),
            ("https://sts.amazonaws.com/.aws_account=123", true),
        ] {
            let found = condition(text).matches(claims.as_object().unwrap());
            assert_eq!(found, matches, "{text}");
        }
    }

    #[test]
    fn a_glob_matches_the_whole_text() {
        for (pattern, text, matches) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "abc", true),
            ("*", "a/b", false),
            ("*", "a:b", false),
            ("**", "a/b:c", true),
            ("***", "a/b", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "abcd", false),
            ("a*b*c", "a-b-b-c", true),
            ("refs/heads/release-*", "refs/heads/release-1.2", true),
            ("refs/heads/release-*", "refs/heads/release-1/2", false),
            ("a**z", "a/b/z/z", true),
            ("a?c", "abc", false),
            ("a.c", "abc", false),
            ("[a]", "a", false),
            ("*é*", "caf\u{e9}s", true),
        ] {
            assert_eq!(
                Glob::new(pattern).matches(text),
                matches,
                "{pattern} {text}"
            );
        }
        assert!(!Glob::new("**").matches(&"a".repeat(MAX_GLOB_INPUT + 1)));
        let many = "*a".repeat(200);
        assert!(!Glob::new(&many).matches(&"b".repeat(MAX_GLOB_INPUT)));
    }

    /// The states of a pattern of any length take several words.
    #[test]
    fn a_glob_may_be_long() {
        for length in 0..140 {
            let name = "ab".repeat(length);
            for (pattern, text, matches) in [
                (name.clone(), name.clone(), true),
                (name.clone(), format!("{name}a"), false),
                (format!("{name}*"), name.clone(), true),
                (format!("{name}*x"), format!("{name}abcx"), true),
                (format!("{name}*x"), format!("{name}a/cx"), false),
                (format!("{name}**x"), format!("{name}a/cx"), true),
                (format!("**{name}"), format!("z/ab{name}"), true),
                (
                    format!("**{name}*{name}"),
                    format!("{name}{name}{name}"),
                    true,
                ),
                (format!("**{name}c*"), format!("{name}{name}"), false),
            ] {
                assert_eq!(
                    Glob::new(&pattern).matches(&text),
                    matches,
                    "{pattern} {text}"
                );
            }
        }
    }

    /// A JWT whose signature nobody has verified yet must not keep the server busy.
    #[test]
    fn what_a_condition_reads_is_bounded() {
        let glob = Condition::new("groups", Operator::Glob, "ops-*").unwrap();
        let exact = Condition::new("groups", Operator::Exact, "ops-1").unwrap();
        for (count, accepted) in [(100, true), (1000, false)] {
            let mut groups = vec!["dev-team"; count];
            groups.push("ops-1");
            let claims = json!({ "groups": groups });
            let claims = claims.as_object().unwrap();
            assert_eq!(glob.matches(claims), accepted, "{count}");
            assert!(exact.matches(claims), "{count}");
        }
        // Each object has two readings of the path, of which none leads to a claim.
        let path = format!("{}x", "a.".repeat(60));
        let mut nested = json!({});
        for _ in 0..12 {
            nested = json!({"a": nested, "a.a": nested});
        }
        assert_eq!(find(nested.as_object().unwrap(), &path), None);
        let deep = json!({"a": {"a": {"a": {"x": 1}}}});
        assert_eq!(find(deep.as_object().unwrap(), "a.a.a.x"), Some(&json!(1)));
    }

    #[test]
    fn the_literal_prefix_is_what_every_value_begins_with() {
        for (text, prefix, exact) in [
            ("sub=a*b", "a*b", true),
            ("sub^=ab", "ab", false),
            ("sub~=a*b", "a", false),
            ("sub~=**", "", false),
            ("sub~=ab", "ab", true),
        ] {
            let parsed = condition(text);
            assert_eq!(
                (parsed.literal_prefix(), parsed.is_exact()),
                (prefix, exact),
                "{text}"
            );
        }
    }

    #[test]
    fn a_rule_has_a_few_conditions() {
        let one = condition("sub=x");
        assert_eq!(Conditions::new(vec![]), Err(InvalidCondition::Count));
        let most = Conditions::new(vec![one.clone(); MAX_CONDITIONS]).unwrap();
        assert_eq!(most.as_str().parse(), Ok(most.clone()));
        let too_many = vec![one; MAX_CONDITIONS + 1];
        assert_eq!(Conditions::new(too_many), Err(InvalidCondition::Count));
        for text in [
            "",
            "{}",
            "[{}]",
            r#"[{"claim":"a","operator":"like","value":"b"}]"#,
        ] {
            assert!(text.parse::<Conditions>().is_err(), "{text}");
        }
    }
}
