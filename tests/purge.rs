//! Promise 7: expired rows are deleted in small batches in the background.

use std::time::Duration;

use crate::support::{World, jwt, within};

fn columns(table: &str) -> &'static str {
    match table {
        "tokens" => "jti, client_id, scope, audience, issued_at, expires_at",
        _ => "jti, expires_at",
    }
}

on_both_and_serializable! {
    fn expired_rows_are_purged(world: World) {
        let client = world.client("a");
        world.clocks_are_trusted();
        let node = world.start();
        let live = node.token(&client);
        assert_eq!(node.revoke(&client, &live).status, 200);
        // Rows that expired long ago, with primary keys before those of the live rows.
        for table in ["tokens", "revocations"] {
            for number in 0..1200 {
                if number % 200 == 0 {
                    let values: Vec<String> = (number..number + 200)
                        .map(|n| match table {
                            "tokens" => format!("('00000000-0000-7000-8000-{n:012}', 'x', '', '', 1, 1000)"),
                            _ => format!("('00000000-0000-7000-8000-{n:012}', 1000)"),
                        })
                        .collect();
                    world.execute(&format!("INSERT INTO {table} ({}) VALUES {}", columns(table), values.join(",")));
                }
            }
        }
        world.execute("INSERT INTO client_assertions VALUES ('a', 1000), ('b', 9999999999999)");
        // Kept a day longer, so that a slightly wrong clock cannot make a token active again.
        world.execute(&format!("INSERT INTO revocations VALUES ('lately', {})", (jwt::now() - 23 * 3600) * 1000));
        world.execute(&format!("INSERT INTO client_assertions VALUES ('lately', {})", (jwt::now() - 23 * 3600) * 1000));
        // A key that expired long ago, and one that never expires.
        world.execute(&format!("INSERT INTO api_keys (id, client_id, name, hash, shown, manage_keys, created_at, expires_at) VALUES ('old', '{}', 'old', '', '', FALSE, 1, 1000)", client.id));
        world.execute("INSERT INTO counters (bucket_start, account_id, client_id, metric, count) VALUES \
             (1000, '', '', 'a', 1), (1000, '', '', 'b', 1), (9999999999999, '', '', 'a', 1)");
        world.execute("INSERT INTO changes VALUES (-5, 'client', 'x', 1000)");
        // Each table is purged by itself.
        for (rows, rest) in [
            ("tokens", 1),
            ("revocations", 2),
            ("client_assertions", 2),
            ("counters WHERE bucket_start = 1000", 0),
            ("changes WHERE id < 0", 0),
            ("api_keys", 1),
        ] {
            within(Duration::from_secs(20), rows, || (world.count(&format!("SELECT count(*) FROM {rows}")) == rest).then_some(()));
        }
        assert_eq!(world.count("SELECT count(*) FROM counters WHERE bucket_start = 9999999999999"), 1);
        let jti = jwt::claims(&live)["jti"].as_str().unwrap().to_owned();
        assert_eq!(world.count(&format!("SELECT count(*) FROM tokens WHERE jti = '{jti}'")), 1);
    }
}
