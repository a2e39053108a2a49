//! What can happen: the actions of the audit log, and who is told of them.

/// What an audit entry reports. The text form (`client.create`) is stored in the database and is part
/// of the management API, so it never changes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[expect(missing_docs, reason = "the text form says it")]
pub enum Action {
    #[strum(serialize = "account.close")]
    AccountClose,
    #[strum(serialize = "account.create")]
    AccountCreate,
    #[strum(serialize = "account.delete")]
    AccountDelete,
    #[strum(serialize = "account.deleted")]
    AccountDeleted,
    #[strum(serialize = "account.reopen")]
    AccountReopen,
    #[strum(serialize = "account.update")]
    AccountUpdate,
    #[strum(serialize = "account_invitation.accept")]
    AccountInvitationAccept,
    #[strum(serialize = "account_invitation.create")]
    AccountInvitationCreate,
    #[strum(serialize = "account_invitation.decline")]
    AccountInvitationDecline,
    #[strum(serialize = "account_invitation.delete")]
    AccountInvitationDelete,
    #[strum(serialize = "account_invitation.refused")]
    AccountInvitationRefused,
    #[strum(serialize = "announcement.create")]
    AnnouncementCreate,
    #[strum(serialize = "announcement.delete")]
    AnnouncementDelete,
    #[strum(serialize = "announcement.dismiss")]
    AnnouncementDismiss,
    #[strum(serialize = "announcement.update")]
    AnnouncementUpdate,
    #[strum(serialize = "api_key.create")]
    ApiKeyCreate,
    #[strum(serialize = "api_key.delete")]
    ApiKeyDelete,
    #[strum(serialize = "api_key.expire_soon")]
    ApiKeyExpireSoon,
    #[strum(serialize = "api_key.revoke")]
    ApiKeyRevoke,
    #[strum(serialize = "api_key.rotate")]
    ApiKeyRotate,
    #[strum(serialize = "api_key.update")]
    ApiKeyUpdate,
    #[strum(serialize = "authentication.failure")]
    AuthenticationFailure,
    #[strum(serialize = "client.create")]
    ClientCreate,
    #[strum(serialize = "client.delete")]
    ClientDelete,
    #[strum(serialize = "client.disable")]
    ClientDisable,
    #[strum(serialize = "client.enable")]
    ClientEnable,
    #[strum(serialize = "client.renew_registration_token")]
    ClientRenewRegistrationToken,
    #[strum(serialize = "client.revoke_registration_token")]
    ClientRevokeRegistrationToken,
    #[strum(serialize = "client.update")]
    ClientUpdate,
    #[strum(serialize = "clock.reset")]
    ClockReset,
    #[strum(serialize = "database.restore")]
    DatabaseRestore,
    #[strum(serialize = "mail.test")]
    MailTest,
    #[strum(serialize = "membership.delete")]
    MembershipDelete,
    #[strum(serialize = "membership.leave")]
    MembershipLeave,
    #[strum(serialize = "registration_token.create")]
    RegistrationTokenCreate,
    #[strum(serialize = "registration_token.delete")]
    RegistrationTokenDelete,
    #[strum(serialize = "resource.create")]
    ResourceCreate,
    #[strum(serialize = "resource.update")]
    ResourceUpdate,
    #[strum(serialize = "resource.delete")]
    ResourceDelete,
    #[strum(serialize = "sealing_key.prune")]
    SealingKeyPrune,
    #[strum(serialize = "sealing_key.reset")]
    SealingKeyReset,
    #[strum(serialize = "sealing_key.rotate")]
    SealingKeyRotate,
    #[strum(serialize = "secret.create")]
    SecretCreate,
    #[strum(serialize = "secret.delete")]
    SecretDelete,
    #[strum(serialize = "secret.expire_soon")]
    SecretExpireSoon,
    #[strum(serialize = "secret.rotate")]
    SecretRotate,
    #[strum(serialize = "secret.update")]
    SecretUpdate,
    #[strum(serialize = "session.create")]
    SessionCreate,
    #[strum(serialize = "session.end")]
    SessionEnd,
    #[strum(serialize = "session.failure")]
    SessionFailure,
    #[strum(serialize = "session.switch_account")]
    SessionSwitchAccount,
    #[strum(serialize = "signing_key.create")]
    SigningKeyCreate,
    #[strum(serialize = "signing_key.import")]
    SigningKeyImport,
    #[strum(serialize = "signing_key.retire")]
    SigningKeyRetire,
    #[strum(serialize = "signing_key.rotate")]
    SigningKeyRotate,
    #[strum(serialize = "signing_key.update")]
    SigningKeyUpdate,
    #[strum(serialize = "token.issue")]
    TokenIssue,
    #[strum(serialize = "token.refused")]
    TokenRefused,
    #[strum(serialize = "token.revoke")]
    TokenRevoke,
    #[strum(serialize = "token.revoke_all")]
    TokenRevokeAll,
    #[strum(serialize = "trust_rule.create")]
    TrustRuleCreate,
    #[strum(serialize = "trust_rule.delete")]
    TrustRuleDelete,
    #[strum(serialize = "trust_rule.disable")]
    TrustRuleDisable,
    #[strum(serialize = "trust_rule.enable")]
    TrustRuleEnable,
    #[strum(serialize = "user.accept_invitation")]
    UserAcceptInvitation,
    #[strum(serialize = "user.change_password")]
    UserChangePassword,
    #[strum(serialize = "user.create")]
    UserCreate,
    #[strum(serialize = "user.delete")]
    UserDelete,
    #[strum(serialize = "user.invite")]
    UserInvite,
    #[strum(serialize = "user.remove_second_factor")]
    UserRemoveSecondFactor,
    #[strum(serialize = "user.renew_recovery_codes")]
    UserRenewRecoveryCodes,
    #[strum(serialize = "user.request_password_reset")]
    UserRequestPasswordReset,
    #[strum(serialize = "user.reset_password")]
    UserResetPassword,
    #[strum(serialize = "user.reset_second_factor")]
    UserResetSecondFactor,
    #[strum(serialize = "user.set_password")]
    UserSetPassword,
    #[strum(serialize = "user.set_preferences")]
    UserSetPreferences,
    #[strum(serialize = "user.set_role")]
    UserSetRole,
    #[strum(serialize = "user.set_second_factor")]
    UserSetSecondFactor,
    #[strum(serialize = "verification.refused")]
    VerificationRefused,
    #[strum(serialize = "webhook.create")]
    WebhookCreate,
    #[strum(serialize = "webhook.delete")]
    WebhookDelete,
    #[strum(serialize = "webhook.disable")]
    WebhookDisable,
    #[strum(serialize = "webhook.enable")]
    WebhookEnable,
    #[strum(serialize = "webhook.resend")]
    WebhookResend,
    #[strum(serialize = "webhook.rotate")]
    WebhookRotate,
    #[strum(serialize = "webhook.test")]
    WebhookTest,
    #[strum(serialize = "webhook.update")]
    WebhookUpdate,
}

impl Action {
    /// All actions, in the order of their definition.
    pub const ALL: &'static [Action] = <Action as strum::VariantArray>::VARIANTS;

    /// The text form, such as `client.create`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the action creates an object, so that a request for it may carry an `Idempotency-Key`,
    /// which is stored together with the audit entry.
    pub fn creates(self) -> bool {
        matches!(
            self,
            Action::AccountCreate
                | Action::AccountInvitationCreate
                | Action::AnnouncementCreate
                | Action::ApiKeyCreate
                | Action::ApiKeyRotate
                | Action::ClientCreate
                | Action::RegistrationTokenCreate
                | Action::ResourceCreate
                | Action::SealingKeyRotate
                | Action::SecretCreate
                | Action::SecretRotate
                | Action::SessionCreate
                | Action::SigningKeyCreate
                | Action::SigningKeyRotate
                | Action::TrustRuleCreate
                | Action::UserCreate
                | Action::WebhookCreate
                | Action::WebhookRotate
        )
    }

    /// Whether webhooks can subscribe to the action. Failures and tokens are too many: clients cause
    /// them as fast as they can send requests. What is sent to a webhook is no event for another, and
    /// a restore is written to a database that is not in use yet.
    pub fn is_event(self) -> bool {
        !matches!(
            self,
            Action::AccountInvitationRefused
                | Action::AuthenticationFailure
                | Action::DatabaseRestore
                | Action::SessionFailure
                | Action::TokenIssue
                | Action::TokenRefused
                | Action::TokenRevoke
                | Action::UserRequestPasswordReset
                | Action::VerificationRefused
                | Action::WebhookResend
                | Action::WebhookTest
        )
    }

    /// Who is told of the action by e-mail; none if nobody is.
    pub fn audience(self) -> Option<Audience> {
        match self {
            Action::ApiKeyCreate
            | Action::ApiKeyDelete
            | Action::ApiKeyExpireSoon
            | Action::ApiKeyRevoke
            | Action::ApiKeyRotate
            | Action::SecretCreate
            | Action::SecretDelete
            | Action::SecretExpireSoon
            | Action::SecretRotate => Some(Audience::Account),
            Action::SealingKeyRotate
            | Action::SigningKeyImport
            | Action::SigningKeyRetire
            | Action::SigningKeyRotate => Some(Audience::Operators),
            Action::UserAcceptInvitation
            | Action::UserChangePassword
            | Action::UserRemoveSecondFactor
            | Action::UserResetPassword
            | Action::UserResetSecondFactor
            | Action::UserSetPassword
            | Action::UserSetSecondFactor => Some(Audience::User),
            _ => None,
        }
    }
}

/// Who is told of an action by e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The administrators and developers of the account who want notices.
    Account,
    /// The operators who want notices.
    Operators,
    /// The user whom it was done to, always.
    User,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_survives_the_round_trip_through_its_text_form() {
        for &action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(action), "{action:?}");
        }
        let texts: BTreeSet<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(texts.len(), Action::ALL.len(), "two actions share a text");
        assert!("client.paint".parse::<Action>().is_err());
    }

    #[test]
    fn the_text_form_names_an_object_and_a_verb() {
        let word = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        for action in Action::ALL {
            let parts: Vec<&str> = action.as_str().split('.').collect();
            assert_eq!(parts.len(), 2, "{action:?}");
            assert!(parts.into_iter().all(word), "{action:?}");
        }
    }

    #[test]
    fn an_idempotency_key_is_stored_with_creations_and_rotations() {
        for &action in Action::ALL {
            let text = action.as_str();
            let expected = text.ends_with(".create") || text.ends_with(".rotate");
            assert_eq!(action.creates(), expected, "{text}");
        }
    }
}
