//! The table of all operations of the HTTP API. Both the routes and `/openapi.json` are made from it,
//! so what is not listed here can be neither called nor read about.

mod accounts;
mod clients;
mod deployment;
mod notices;
mod oauth;
mod public;

use super::operation::Operation as Op;

/// All operations, in the order of `/openapi.json`.
pub fn operations() -> Vec<Op> {
    let groups = [
        oauth::endpoints(),
        oauth::registration(),
        clients::own_api_keys(),
        accounts::operations(),
        clients::clients(),
        clients::credentials(),
        clients::trust_rules(),
        notices::webhooks(),
        notices::mail(),
        deployment::resource_servers(),
        deployment::signing_keys(),
        deployment::tokens(),
        public::operations(),
    ];
    groups.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn operations_of_one_path_declare_the_same_route_options() {
        let mut options = BTreeMap::new();
        for operation in operations() {
            let declared = *options.entry(operation.path).or_insert(operation.options);
            assert_eq!(operation.options, declared, "{}", operation.path);
        }
    }

    #[test]
    fn operation_ids_are_unique() {
        let mut ids = BTreeSet::new();
        for operation in operations() {
            assert!(ids.insert(operation.id), "{} is not unique", operation.id);
        }
    }
}
