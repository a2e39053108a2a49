//! `--unused` of `keyward key list` and `keyward secret list`

use std::sync::Arc;

use clap::Args;

use super::output::{ListWriter, Output, when};
use crate::error::Error;
use crate::manage::actor::{Actor, KeysRead};
use crate::manage::unused_credential::{self, UnusedCredential, UnusedKind, UnusedQuery};
use crate::store::Store;

/// How many credentials are read at a time.
const PAGE: i64 = 500;

#[derive(Args)]
pub struct UnusedArgs {
    /// List those of all clients that were not used for 90 days, with the longest unused first
    #[arg(long, conflicts_with = "client_id")]
    unused: bool,

    /// Only those of this account, by its id or name
    #[arg(
        long,
        value_name = "ACCOUNT",
        requires = "unused",
        conflicts_with = "client_id"
    )]
    account: Option<String>,
}

impl UnusedArgs {
    /// Writes the list of the unused credentials of a kind.
    pub async fn list(
        self,
        json: bool,
        store: &Arc<Store>,
        operator: &Arc<Actor>,
        kind: UnusedKind,
    ) -> Result<Output, Error> {
        let head = [
            "ID",
            "NAME",
            "CLIENT ID",
            "CLIENT",
            "CREATED",
            "LAST USED",
            "EXPIRES",
        ];
        let mut list = ListWriter::new(json, head);
        let mut after = None;
        loop {
            let query = UnusedQuery {
                account: self.account.clone(),
                kind: Some(kind),
                after,
                limit: PAGE,
            };
            let page = unused_credential::list(store, operator.may(KeysRead)?, query).await?;
            after = page.last().map(UnusedCredential::position);
            if after.is_none() || list.write(&page, cells)?.is_break() {
                return list.finish();
            }
        }
    }
}

fn cells(credential: &UnusedCredential) -> [String; 7] {
    [
        credential.id.clone(),
        credential.name.clone().unwrap_or_default(),
        credential.client_id.clone(),
        credential.client_name.clone(),
        credential.created_at.to_string(),
        when(credential.last_used_at),
        when(credential.expires_at),
    ]
}
