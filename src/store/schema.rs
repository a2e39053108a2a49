//! The tables, as `migrations/` leaves them, on SQLite and Postgres alike.

diesel::table! {
    accounts (id) {
        id -> Text,
        name -> Text,
        created_at -> BigInt,
        requires_second_factor -> Bool,
        max_clients -> Nullable<BigInt>,
        kind -> Text,
        search_key -> Text,
        closed_at -> Nullable<BigInt>,
        deleting_at -> Nullable<BigInt>,
        language -> Nullable<Text>,
    }
}

diesel::table! {
    clients (client_id) {
        client_id -> Text,
        account_id -> Text,
        name -> Text,
        auth_method -> Text,
        grant_types -> Text,
        scope -> Text,
        resources -> Text,
        may_introspect -> Bool,
        jwks -> Nullable<Text>,
        jwks_uri -> Nullable<Text>,
        metadata -> Text,
        registration_limits -> Nullable<Text>,
        registration_token_hash -> Nullable<Text>,
        disabled_at -> Nullable<BigInt>,
        tokens_void_before -> BigInt,
        created_at -> BigInt,
        token_epoch -> BigInt,
        disabled_by -> Nullable<Text>,
        dpop_bound_access_tokens -> Bool,
        profile -> Text,
        certificate_name -> Nullable<Text>,
        tls_client_certificate_bound_access_tokens -> Bool,
        search_key -> Text,
        account_closed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    client_secrets (id) {
        id -> Text,
        client_id -> Text,
        hash -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        name -> Nullable<Text>,
        last_used_at -> Nullable<BigInt>,
        use_recorded_from -> Nullable<BigInt>,
        expiry_announced_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Text,
        client_id -> Text,
        name -> Text,
        hash -> Text,
        shown -> Text,
        scope -> Nullable<Text>,
        manage_keys -> Bool,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        created_by -> Text,
        allowed_ips -> Text,
        last_used_at -> Nullable<BigInt>,
        replaced_by -> Nullable<Text>,
        expiry_announced_at -> Nullable<BigInt>,
        resources -> Nullable<Text>,
    }
}

diesel::table! {
    users (id) {
        id -> Text,
        account_id -> Nullable<Text>,
        email -> Text,
        role -> Text,
        password_hash -> Nullable<Text>,
        created_at -> BigInt,
        totp_sealed -> Nullable<Text>,
        totp_last_step -> BigInt,
        recovery_hashes -> Text,
        wrong_codes -> BigInt,
        wrong_codes_since_sign_in -> BigInt,
        search_key -> Text,
        language -> Nullable<Text>,
        time_zone -> Nullable<Text>,
        email_notices -> Bool,
        last_account_id -> Nullable<Text>,
    }
}

diesel::table! {
    memberships (user_id, account_id) {
        user_id -> Text,
        account_id -> Text,
        role -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    account_invitations (id) {
        id -> Text,
        user_id -> Text,
        account_id -> Text,
        role -> Text,
        hash -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        created_by -> Text,
        mail_id -> Nullable<Text>,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        user_id -> Text,
        hash -> Text,
        proven -> Text,
        address -> Text,
        agent -> Text,
        created_at -> BigInt,
        last_seen_at -> BigInt,
        expires_at -> BigInt,
        wrong_codes -> BigInt,
        account_id -> Nullable<Text>,
    }
}

diesel::table! {
    invitations (user_id) {
        user_id -> Text,
        id -> Text,
        hash -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        rights -> Text,
    }
}

diesel::table! {
    nodes (id) {
        id -> Text,
        name -> Text,
        version -> Text,
        started_at -> BigInt,
        seen_at -> BigInt,
        report -> Text,
    }
}

diesel::table! {
    audit (id) {
        id -> Text,
        happened_at -> BigInt,
        account_id -> Nullable<Text>,
        actor -> Text,
        action -> Text,
        target -> Text,
        reason -> Nullable<Text>,
        reason_code -> Nullable<Text>,
        reason_parameters -> Nullable<Text>,
        address -> Nullable<Text>,
        request_id -> Nullable<Text>,
        client_id -> Nullable<Text>,
        expires_at -> Nullable<BigInt>,
        details -> Nullable<Text>,
    }
}

diesel::table! {
    trust_rules (id) {
        id -> Text,
        account_id -> Text,
        client_id -> Text,
        issuer -> Text,
        jwks -> Nullable<Text>,
        jwks_uri -> Nullable<Text>,
        audience -> Nullable<Text>,
        conditions -> Text,
        single_use -> Bool,
        expires_at -> Nullable<BigInt>,
        disabled_at -> Nullable<BigInt>,
        disabled_by -> Nullable<Text>,
        created_at -> BigInt,
        created_by -> Text,
        kind -> Text,
    }
}

diesel::table! {
    revoked_api_keys (id) {
        id -> Text,
        client_id -> Text,
        name -> Text,
        hash -> Text,
        revoked_at -> BigInt,
    }
}

diesel::table! {
    idempotency_keys (id) {
        id -> Text,
        request -> Text,
        target -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    resource_servers (identifier) {
        identifier -> Text,
        name -> Text,
        scope -> Text,
        client_id -> Text,
        created_at -> BigInt,
        token_typ -> Text,
        signing_algorithm -> Text,
    }
}

diesel::table! {
    registration_tokens (id) {
        id -> Text,
        account_id -> Text,
        hash -> Text,
        scope -> Text,
        resources -> Text,
        uses_left -> Nullable<BigInt>,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        algorithm -> Text,
        public_jwk -> Text,
        private_sealed -> Text,
        created_at -> BigInt,
        signs_from -> BigInt,
        signs_until -> Nullable<BigInt>,
        published_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    tokens (jti) {
        jti -> Text,
        client_id -> Text,
        scope -> Text,
        audience -> Text,
        issued_at -> BigInt,
        expires_at -> BigInt,
        token_epoch -> BigInt,
        api_key_id -> Nullable<Text>,
        cnf -> Nullable<Text>,
    }
}

diesel::table! {
    revocations (jti) {
        jti -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    client_assertions (id) {
        id -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    changes (id) {
        id -> BigInt,
        kind -> Text,
        subject -> Text,
        changed_at -> BigInt,
    }
}

diesel::table! {
    deployment (id) {
        id -> Integer,
        issuer -> Text,
        jwks_max_age -> BigInt,
        token_ttl -> BigInt,
        written_at -> BigInt,
        used_at -> BigInt,
        settings -> Text,
        issuer_set -> Bool,
    }
}

diesel::table! {
    clock (id) {
        id -> Integer,
        seen_at -> BigInt,
        begun_at -> BigInt,
        resets -> BigInt,
    }
}

diesel::table! {
    leader (id) {
        id -> Integer,
        node -> Text,
        term -> BigInt,
    }
}

diesel::table! {
    counters (bucket_start, account_id, client_id, metric) {
        bucket_start -> BigInt,
        account_id -> Text,
        client_id -> Text,
        metric -> Text,
        count -> BigInt,
    }
}

diesel::table! {
    server_hours (bucket_start, metric) {
        bucket_start -> BigInt,
        metric -> Text,
        count -> BigInt,
    }
}

diesel::table! {
    busiest_clients (owner_id, bucket_start, metric, client_id) {
        owner_id -> Text,
        bucket_start -> BigInt,
        metric -> Text,
        account_id -> Text,
        client_id -> Text,
        count -> BigInt,
    }
}

diesel::table! {
    usage_counters (owner_id, bucket, bucket_start, metric) {
        owner_id -> Text,
        bucket -> Text,
        bucket_start -> BigInt,
        metric -> Text,
        count -> BigInt,
    }
}

diesel::table! {
    usage_origins (owner_id, address, user_agent) {
        owner_id -> Text,
        address -> Text,
        user_agent -> Text,
        first_seen_at -> BigInt,
        last_seen_at -> BigInt,
        count -> BigInt,
    }
}

diesel::table! {
    change_counter (id) {
        id -> Integer,
        value -> BigInt,
    }
}

diesel::table! {
    webhooks (id) {
        id -> Text,
        account_id -> Nullable<Text>,
        url -> Text,
        description -> Text,
        events -> Text,
        secret_sealed -> Text,
        previous_sealed -> Nullable<Text>,
        previous_until -> Nullable<BigInt>,
        failing_since -> Nullable<BigInt>,
        last_failure_at -> Nullable<BigInt>,
        disabled_at -> Nullable<BigInt>,
        disabled_by -> Nullable<Text>,
        created_at -> BigInt,
        created_by -> Text,
    }
}

diesel::table! {
    webhook_deliveries (id) {
        id -> Text,
        webhook_id -> Text,
        event_id -> Text,
        event_type -> Text,
        body -> Text,
        created_at -> BigInt,
        attempts -> BigInt,
        next_attempt_at -> Nullable<BigInt>,
        last_attempt_at -> Nullable<BigInt>,
        delivered_at -> Nullable<BigInt>,
        response_status -> Nullable<BigInt>,
        failure -> Nullable<Text>,
        duration_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    mails (id) {
        id -> Text,
        kind -> Text,
        recipient -> Text,
        user_id -> Nullable<Text>,
        facts -> Text,
        link_sealed -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        attempts -> BigInt,
        next_attempt_at -> Nullable<BigInt>,
        last_attempt_at -> Nullable<BigInt>,
        delivered_at -> Nullable<BigInt>,
        response_status -> Nullable<BigInt>,
        failure -> Nullable<Text>,
        account_id -> Nullable<Text>,
    }
}

diesel::table! {
    announcements (id) {
        id -> Text,
        severity -> Text,
        text_en -> Text,
        text_fr -> Text,
        account_id -> Nullable<Text>,
        starts_at -> BigInt,
        ends_at -> BigInt,
        created_at -> BigInt,
        created_by -> Text,
    }
}

diesel::table! {
    dismissed_announcements (announcement_id, user_id) {
        announcement_id -> Text,
        user_id -> Text,
    }
}

diesel::joinable!(clients -> accounts (account_id));
diesel::allow_tables_to_appear_in_same_query!(
    accounts,
    clients,
    client_secrets,
    api_keys,
    resource_servers,
    webhooks,
    webhook_deliveries
);
diesel::allow_tables_to_appear_in_same_query!(mails, memberships, users);
