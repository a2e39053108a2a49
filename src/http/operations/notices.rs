//! Webhooks and e-mail.

use super::super::management::{Created, Page, Paging, Rotation, mails, webhooks};
use super::super::operation::Operation as Op;
use crate::manage::mail::MailView;
use crate::manage::rights::Right;
use crate::manage::webhook::{DeliveryView, WebhookView};

pub(super) fn webhooks() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/webhooks",
            "listWebhooks",
            "List webhooks",
            webhooks::list,
        )
        .query::<Paging>()
        .returns::<Page<WebhookView>>(200, "The webhooks, the oldest first")
        .requires(Right::WebhooksRead),
        Op::post(
            "/api/v1/webhooks",
            "createWebhook",
            "Create a webhook: a URL that gets the events of an account",
            webhooks::create,
        )
        .json::<webhooks::CreateWebhook>()
        .creates::<Created<WebhookView>>()
        .requires(Right::WebhooksWrite),
        Op::get(
            "/api/v1/webhooks/{id}",
            "showWebhook",
            "Show a webhook",
            webhooks::show,
        )
        .returns::<WebhookView>(200, "The webhook, without its secret")
        .requires(Right::WebhooksRead),
        Op::patch(
            "/api/v1/webhooks/{id}",
            "updateWebhook",
            "Change, disable or enable a webhook",
            webhooks::update,
        )
        .json::<webhooks::UpdateWebhook>()
        .returns::<WebhookView>(200, "The changed webhook")
        .requires(Right::WebhooksWrite),
        Op::delete(
            "/api/v1/webhooks/{id}",
            "deleteWebhook",
            "Delete a webhook",
            webhooks::delete,
        )
        .returns_empty(204, "Deleted")
        .requires(Right::WebhooksWrite),
        Op::post(
            "/api/v1/webhooks/{id}/rotate-secret",
            "rotateWebhookSecret",
            "Replace the secret that signs the deliveries of a webhook",
            webhooks::rotate_secret,
        )
        .json::<Rotation>()
        .returns::<Created<WebhookView>>(
            201,
            "The webhook with its new secret; the old one signs too until the grace period ends",
        )
        .requires(Right::WebhooksWrite)
        .errors(&[409]),
        Op::post(
            "/api/v1/webhooks/{id}/test",
            "testWebhook",
            "Send the event webhook.test to a webhook",
            webhooks::test,
        )
        .returns::<DeliveryView>(201, "The delivery, which is sent now")
        .requires(Right::WebhooksWrite)
        .errors(&[409]),
        Op::get(
            "/api/v1/webhooks/{id}/deliveries",
            "listDeliveries",
            "List the deliveries of a webhook",
            webhooks::deliveries,
        )
        .query::<Paging>()
        .returns::<Page<DeliveryView>>(200, "The deliveries, the newest first")
        .requires(Right::WebhooksRead),
        Op::post(
            "/api/v1/webhooks/{id}/deliveries/{delivery_id}/resend",
            "resendDelivery",
            "Send the event of a delivery again",
            webhooks::resend,
        )
        .returns::<DeliveryView>(201, "The new delivery, which is sent now")
        .requires(Right::WebhooksWrite)
        .errors(&[409]),
    ]
}

pub(super) fn mail() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/mails",
            "listMails",
            "List the e-mail that was sent and is to be sent, without its text",
            mails::list,
        )
        .query::<Paging>()
        .returns::<Page<MailView>>(200, "The messages, the newest first")
        .requires(Right::StatusRead),
        Op::post(
            "/api/v1/mails/test",
            "testMail",
            "Send a test message",
            mails::test,
        )
        .json::<mails::TestMail>()
        .returns::<MailView>(201, "The message, which is sent now")
        .requires(Right::AccountsWrite)
        .errors(&[409]),
    ]
}
