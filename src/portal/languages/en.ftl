# The portal in English. The French file has the same messages.

## Numbers, dates and durations

number = { $number }
month = { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[other] December
}
month-short = { $month ->
    [1] Jan
    [2] Feb
    [3] Mar
    [4] Apr
    [5] May
    [6] Jun
    [7] Jul
    [8] Aug
    [9] Sep
    [10] Oct
    [11] Nov
   *[other] Dec
}
day = { $day } { month-short } { $year }
date-time-short = { $day } { month-short } { $year }, { $hour }:{ $minute }
date-time = { $day } { month } { $year }, { $hour }:{ $minute } { $zone }
date-time-short-zone = { $day } { month-short } { $year }, { $hour }:{ $minute } { $zone }
date-time-both = { $local } ({ $utc })
time-of-day = { $hour }:{ $minute }
just-now = just now
ago = { $span } ago
from-now = in { $span }
seconds = { $count ->
    [one] { $count } second
   *[other] { $count } seconds
}
minutes = { $count ->
    [one] { $count } minute
   *[other] { $count } minutes
}
hours = { $count ->
    [one] { $count } hour
   *[other] { $count } hours
}
days = { $count ->
    [one] { $count } day
   *[other] { $count } days
}
milliseconds = { $time } ms
# For the countdown: days, hours, minutes, seconds.
countdown-units = d h min s

## On every page

skip = Skip to content
menu = Menu
breadcrumbs = Breadcrumbs
sign-out = Sign out
copy = Copy
copied = Copied
optional = (optional)
cancel = Cancel
save = Save
edit = Edit
delete = Delete
more = Next page
older = Older entries
filter = Filter
search = Search
clear = Clear
select-entry = Select { $name }
close = Close
search-field = Name, email address or ID
search-text = Search by name, email address or ID. A name or an email address is found by its beginning, an API key by its ID.
search-none-text = Nothing you have access to has this ID, or a name or an email address that starts with this text.
search-count = { $count ->
    [one] { $count } result
   *[other] { $count } results
}
search-failed = The search failed. Try again in a moment.
search-signed-out = Your session has ended. Sign in again in another tab, then search again.
search-pages = Pages
search-all = Show all
pages = Pages
first-page = First page
api-reference = API reference
new-tab = (opens in a new tab)
danger-zone = Danger zone
never = Never
none = None
nothing = None
nobody = Nobody
now = Now
command-line = Command line
application = Application
api-key = API key
scope = Scope
to-field = Go to field
to-start = Go to start page
try-again = Try again
resubmit = Submit again
immediately = Immediately
no-expiry = No expiry
required = Required
not-required = Optional
as-numbers = Show as table
request-id = Request ID:
column-actions = Actions
shown-once = This is shown only once. Copy it now and store it securely: it can’t be shown again.

## Menu

menu-now = Monitoring
menu-developers = Developers
menu-account = Account
menu-own-account = Your account
menu-server = Server
menu-overview = Overview
menu-applications = Applications
menu-api-keys = API keys
menu-registration-tokens = Initial access tokens
menu-webhooks = Webhooks
menu-accounts = Accounts
menu-people = People
menu-audit = Audit log
menu-resource-servers = Resource servers
menu-signing-keys = Signing keys
menu-profile = Your profile

## Columns

column-name = Name
column-id = ID
column-client-id = Client ID
column-account = Account
column-scope = Scope
column-state = Status
column-created = Created
column-created-by = Created by
column-last-used = Last used
column-expires = Expires
column-key = Starts with
column-secret = Secret
column-token = Token
column-issued = Issued
column-when = Time
column-why = Reason
column-what = Action
column-who = Actor
column-target = Target
column-address = IP address
column-request = Request ID
column-browser = Browser
column-signed-in = Signed in
column-last-seen = Last active
column-uses-left = Uses left
column-event = Event
column-attempts = Attempts
column-response = Last response
column-next-attempt = Next attempt
column-kid = Key ID (kid)
column-algorithm = Algorithm
column-signs-from = Signs from
column-signs-until = Signs until
column-second-factor = Two-step
column-max-clients = Application limit
column-published-until = Published until
column-introspects-with = Introspection client
open-client = View client

## Fields

field-text = Name or client ID
field-account-text = Account name or ID
field-email = Email address
field-password = Password
field-current = Current password
field-new = New password
field-code = Code
field-name = Name
field-account = Account
field-role = Role
field-language = Language
field-time-zone = Time zone
field-scope = Scope
field-rights = Permissions
field-more-scope = Additional scope
field-resources = Resource servers
field-auth-method = Authentication method
field-jwks = Public keys (JWK Set)
field-dpop-bound-access-tokens = Require DPoP
field-profile = Security profile
field-certificate-name-kind = Kind of certificate name
field-certificate-name = Certificate name
field-tls-client-certificate-bound-access-tokens = Require a client certificate
field-introspect = Allow token introspection
field-expires-in = Expires after
field-max-clients = Maximum applications
field-allowed-ips = Allowed IP addresses
field-manage-keys = Can manage this application’s API keys
field-grace = Keep the old one valid for
field-identifier = Identifier
field-uses = Maximum uses
field-url = URL
field-description = Description
field-events = Events
field-all-events = All events
field-action = Action
field-actor = Actor
field-target = Target
field-request-id = Request ID
field-since = From
field-until = To
field-required = Required
field-now = Retire immediately
field-link = Link

## Sign-in

sign-in = Sign in
sign-in-help = New here? Ask your administrator for a link to set a password.
continue = Continue
second-factor = Two-step verification
help-code = The 6-digit code from your authenticator app, or a recovery code.
help-first-code = The 6-digit code that the app shows.
help-time-zone = Such as Europe/Paris. The portal shows times in this time zone.
help-password = At least 10 characters. We recommend several unrelated words.
help-own-password = The password you sign in with.
help-link = Paste the link you received.
wrong-codes = Check your account
wrong-codes-count = { $count ->
    [one] Someone entered a wrong verification code for your account since you last signed in.
   *[other] Someone entered { $count } wrong verification codes for your account since you last signed in.
}
wrong-codes-text = If this wasn’t you, someone knows your password. Change it now.
invitation = Set your password
invitation-text = This link is personal and works only once.
invitation-gone = This link is no longer valid
invitation-gone-text = The link was used or replaced, or has expired. Ask the person who sent it for a new one.
join = Join an account
join-gone-text = The invitation was accepted, withdrawn or replaced, or has expired. Ask the person who sent it for a new one.
join-text = You’re signed in as { $email }. This invitation lets you use another account with the same sign-in.
join-sign-in = To see this invitation, sign in with the email address it was sent to.
join-signed-in = You’re signed in.
join-second-factor = Required in this account
join-second-factor-later = You set up two-step verification after you join.
join-password-text = Administrators of the accounts you’re in may know your password. Choose a new one that only you know. This signs you out everywhere else.
join-accept = Join account
join-decline = Decline
account-joined = You joined { $account }.
done-invitation-declined = Invitation declined.
set-password = Set password
resubmission = Submit your changes again
resubmission-text = You’re signed in again. Nothing was changed yet. This is what you entered:
resubmission-discard = Discard and go to start page
form-signed-out = Your session has expired. Sign in again; we kept what you entered.
form-other-session = This form is from an earlier session, or your browser blocks cookies. Nothing was changed.
other-account = You switched accounts
other-account-text = You opened this form in { $opened }. You now use { $current }, so nothing was changed. To continue, switch back and fill in the form again.
other-account-switch = Switch to { $account }
other-account-gone = You opened this form in an account you can no longer use. Nothing was changed.
page-of-account = This page belongs to another account
page-of-account-text = This page belongs to { $account }. You now use { $current }.
page-of-account-gone = This page belongs to an account you can no longer use.
account-in-use = Account:
account-switch = Switch account
done-signed-out = You’ve signed out.
done-password-set = Password set. You can now sign in.

## Profile

preferences = Preferences
language-of-browser = Language of the browser
change-password = Change password
change-password-text = This ends all your other sessions.
second-factor-text = Protect your account with a code from an authenticator app in addition to your password.
second-factor-set-up = Set up two-step verification
second-factor-first = Your account requires two-step verification. Set it up to continue.
second-factor-app = Open an authenticator app on your phone, or install one. Any app that supports TOTP works.
second-factor-scan = Scan this QR code with the app, or enter the secret.
second-factor-qr-code = QR code of the secret. The secret is also shown as text below.
second-factor-type = Secret
second-factor-confirm = Confirm
second-factor-on = On
second-factor-off = Off
second-factor-required = Your account requires two-step verification.
second-factor-replace = Set up on another device
second-factor-remove = Turn off two-step verification
recovery-codes = Recovery codes
recovery-codes-left = { $count ->
    [0] You have no recovery codes left. Create new ones.
    [one] You have one recovery code left. Create new ones soon.
   *[other] You have { $count } recovery codes left.
}
recovery-codes-text = Use a recovery code to sign in if you lose your device. Each code works once. Print them or save them in a password manager.
recovery-codes-renew = Create new recovery codes
recovery-codes-saved = I’ve saved them
sessions = Active sessions
session-end = Sign out
browser-on = { $browser } on { $system }
browser-unknown = Unknown browser
this-session = This session
own-accounts = Your accounts
own-accounts-text = You use the same sign-in for all of them. Switch between them at the top of each page.
account-current = In use
account-leave = Leave
account-leave-title = Leave the account { $account }?
account-leave-text = You can no longer use { $account }. Everything you created there is kept. To return, you need a new invitation.
done-account-left = You left the account.
done-password-changed = Password changed. All other sessions were signed out.
done-second-factor = Two-step verification is on.
done-second-factor-there = Two-step verification is already on. If you lost your recovery codes, create new ones below.
done-second-factor-removed = Two-step verification is off.
done-session-ended = Session signed out.

## Applications

applications-none = No applications yet
applications-none-text = An application is a program that calls APIs with access tokens or API keys. Create one for each program and environment, so that you can manage and revoke each on its own.
all-accounts = All accounts
applications-not-found = No results
applications-not-found-text = No application has this client ID, or a name that starts with this text.
tab-credentials = Credentials
tab-access = Access
tab-activity = Activity
access-text = What this application can do. Each access token covers this scope or a part of it, for one or more of these resource servers.
access-no-resources = None. No resource server accepts the access tokens of this application.
access-no-scope = None. The access tokens of this application have an empty scope.
access-binding = Token binding
access-binding-text = A bound token can only be used with the key that it was issued to, so a stolen token is useless.
access-certificate = Client certificate
danger-disable = Stops all secrets, API keys and tokens until you enable the application again.
danger-delete = Permanently deletes the application with its secrets, API keys and tokens.
danger-revoke-tokens = Stops all access tokens issued so far. The application can get new ones.
application-new = New application
application-new-text = We create a client ID, a client secret and a first API key. The secret and the key are shown once.
application-create = Create application
application-created = Application created
application-about = Details
application-authentication = Authentication
help-application-name = A name people recognize, such as “Order import, production”.
access-none = There’s nothing to grant yet. Ask an operator to give your account a scope and resource servers.
help-resources = The APIs this application can get access tokens for.
help-scope = What this application can request.
scope-undescribed = Check the scope for typos. No resource server has { $unknown }. Available: { $known }.
help-more-scope = Additional scope tokens, separated by spaces.
rights = Management API
help-rights = What this application can do in Keyward itself. Also select the management API as a resource server.
help-auth-method = A client secret is the simplest. With a private key, no secret is ever transmitted.
help-jwks = Required for signed assertions: the public keys as JSON.
help-dpop-bound-access-tokens = Each token request needs a DPoP proof; its tokens can only be used with the key of the proof.
help-profile = FAPI 2.0: only private keys or certificates, no shared secrets and no API keys, and only tokens that are bound to a key.
help-certificate-name = Required for certificates of a certificate authority: the name that the certificate must have.
help-tls-client-certificate-bound-access-tokens = Each token request needs a client certificate; its tokens can only be used with this certificate.
help-introspect = Lets it check whether tokens for its resource servers are active.
method-client-secret-basic = Client secret (Basic header)
method-client-secret-post = Client secret (request body)
profile-none = None
profile-fapi2 = FAPI 2.0
method-private-key-jwt = Signed assertion (private_key_jwt)
method-tls-client-auth = Certificate of a certificate authority (tls_client_auth)
method-self-signed-tls-client-auth = Registered certificate (self_signed_tls_client_auth)
certificate-subject-dn = Subject (RFC 4514)
certificate-san-dns = DNS name
certificate-san-uri = URI
certificate-san-ip = IP address
certificate-san-email = Email address
enabled = Enabled
disabled = Disabled
disabled-by-operator = Disabled by an operator
disabled-by-operator-text = An operator disabled this application. Only an operator can enable it again.
introspects = Introspection
enable = Enable
disable = Disable
client-secret = Client secret
first-token = Get an access token
first-key = First API key
to-application = Go to application
done-application-created = Application created.
done-application-deleted = Application deleted. Its secrets, API keys and tokens no longer work.
done-saved = Changes saved.
done-already = You already submitted this form. Nothing was created twice.
done-disabled = Application disabled. Its secrets, API keys and tokens no longer work.
done-enabled = Application enabled.
done-tokens-revoked = All tokens of this application were revoked.
current-values = Current values
registration-access = Registration access token
registration-access-text = This application registered itself. Anyone with its registration access token can change or delete its registration.
registration-access-none = This application registered itself. It has no registration access token, so it can’t change what it registered.
registration-access-made = New registration access token
registration-access-uri = Client configuration endpoint
done-registration-access-revoked = Registration access token revoked.
confirm-renew-registration-token = Renew registration access token
confirm-renew-registration-token-text = { $name } gets a new registration access token, shown once. The current one stops working immediately.
confirm-revoke-registration-token = Revoke registration access token
confirm-revoke-registration-token-text = { $name } keeps working, but can no longer change or delete its registration. You can create a new token at any time.
confirm-disable = Disable application
confirm-disable-text = All secrets, API keys and tokens of { $name } stop working immediately. Those that haven’t expired work again when you enable it.
confirm-delete = Delete application
confirm-delete-text = All secrets, API keys and tokens of { $name } stop working immediately. You can’t undo this.
confirm-revoke-tokens = Revoke all tokens
confirm-revoke-tokens-text = All access tokens issued to { $name } so far stop working immediately. It can get new ones with its secret.
failures = Recent failures
failures-none = No recent failures
failures-none-text = When a request of this application is rejected, the reason appears here with its request ID, so that you can find it in your logs.
tokens = Active tokens
tokens-none = No active tokens
tokens-none-text = Access tokens appear here as soon as the application requests them. The quick start shows how.
tokens-off = This server doesn’t store token records.
tokens-more = Only the latest are shown.
bound-to-key = bound to a key
revoke-all = Revoke all tokens
revoked = Revoked
active = Active

## Quick start

quick-start = Quick start
quick-start-text = Get a first access token in your language. The code reads the client secret from the environment: never put secrets in code.
quick-start-languages = Languages
quick-start-secret = Set an environment variable to the client secret. It was shown when it was created. If you’ve lost it, create another one.
quick-start-key = Save the private key to a file, as a JWK with the alg and kid of its registered public key, and set an environment variable to the path of the file.
quick-start-environment = Environment
quick-start-prepare = Install dependencies
quick-start-save = Save this as { $file }
quick-start-run = Run it
quick-start-none = This client can’t get tokens. It only introspects them.
quick-start-assertion = The program signs an assertion (RFC 7523) with the private key. Other libraries need these values:
quick-start-certificate = This application needs its client certificate for each token request (RFC 8705). Send the request over mutual TLS, with these values:
token-endpoint = Token endpoint

## Client secrets

secrets = Client secrets
secrets-text = An application gets access tokens with its client ID and a client secret. Several secrets can be active at once, so that you can rotate them without downtime.
secrets-none = No client secrets
secrets-none-text = Without a secret this application can’t authenticate.
secrets-manage = Manage client secrets
secrets-rotate = Rotate secret
secrets-rotate-text = Creates a new secret. All other secrets expire after the time you choose.
secret-new = Add a secret
secret-new-text = Creates another secret. Existing secrets stay active until you delete them.
secret-create = Create secret
secret-created = Client secret created
secret-delete = Delete secret
secret-delete-title = Delete secret { $id }
secret-delete-text = Anything that authenticates with this secret stops working immediately. Tokens that were already issued stay valid until they expire.
secret-last = This is the only active secret. Without one, the application can’t get access tokens.
edit-secret = Rename { $name }
help-secret-name = Where the secret is used, such as “Production”.
rename = Rename
done-secret-updated = Client secret renamed.
to-secrets = Go to client secrets
done-secret-deleted = Client secret deleted.

## API keys

keys-text = Applications present API keys directly to an API. Create a key for each place that uses one, so that you can rotate each on its own.
keys-of = API keys of { $name }
keys-choose = Choose an application
keys-none = No API keys
keys-none-text = An API key lets a program call an API without requesting access tokens first. Create one for each program.
keys-one-left = This is the only key, so it can’t be revoked. Rotate it to replace it. If it was leaked, rotate it and expire the old key immediately.
keys-manage = Manage API keys
keys-full = { $count ->
    [one] You’ve reached the limit of one key
   *[other] You’ve reached the limit of { $count } keys
}
keys-full-text = To create a new key, first revoke one that’s no longer used. “Last used” shows which.
key-new = New API key
key-create = Create key
key-created = API key created
key-rotated = API key rotated
key-named = { $name }
key-limits = Restrictions: expiry, scope, resource servers, IP addresses
key-try = Try it
ready-header = Authorization header
to-keys = Go to API keys
replaced = Replaced
manages-keys = Manages keys
expired = Expired
rotate = Rotate
revoke = Revoke
edit-key = Edit { $name }
unchanged = Unchanged
rotate-key = Rotate { $name }
rotate-text = Creates a new key with the same name, scope and IP addresses. The old key expires after the time you choose.
help-grace = Long enough to switch everything to the new key.
key-last-used = Last used { $when }.
key-never-used = Never used.
revoke-key = Revoke { $name }
keys-revoke-chosen = Revoke selected keys
keys-revoke-title = { $count ->
    [one] Revoke { $count } key?
   *[other] Revoke { $count } keys?
}
keys-revoke-text = Anything that uses these keys stops working immediately. You can’t undo this.
revoke-text = Anything that uses this key stops working immediately. You can’t undo this.
help-key-name = Where the key is used, such as “Nightly import”.
help-key-resources = If you select none, the key works for all resource servers of the application.
help-key-scope = If you select none, the key has the full scope of the application.
help-allowed-ips = One address or range per line, such as 203.0.113.0/24. Leave empty to allow all addresses.
help-manage-keys = The key can create and revoke keys through /apiKeys. Don’t use such a key to call other APIs.
done-key-updated = API key updated.
done-keys-revoked = API keys revoked.
secrets-delete-selected = Delete selected secrets
secrets-delete-title = { $count ->
    [one] Delete { $count } secret?
   *[other] Delete { $count } secrets?
}
secrets-delete-text = The application can’t authenticate with these secrets anymore, effective immediately. You can’t undo this.
secrets-delete-last = No active secret would be left. Without one, the application can’t get access tokens.
done-secrets-deleted = Secrets deleted.
applications-disable-selected = Disable selected
applications-disable-button = Disable
applications-disable-title = { $count ->
    [one] Disable { $count } application?
   *[other] Disable { $count } applications?
}
applications-disable-text = Their secrets, API keys and tokens stop working immediately. They work again when you enable the applications.
done-applications-disable-done = Applications disabled.
applications-revoke-tokens-selected = Revoke tokens of selected
applications-revoke-tokens-button = Revoke tokens
applications-revoke-tokens-title = { $count ->
    [one] Revoke all tokens of { $count } application?
   *[other] Revoke all tokens of { $count } applications?
}
applications-revoke-tokens-text = All access tokens issued to them until now stop working immediately. They can get new ones. You can’t undo this.
done-applications-revoke-tokens-done = Tokens revoked.
done-key-revoked = API key revoked.

## People

person-invite = Invite a person
person-invite-text = We create a link for them to set a password, or to join this account if they already have a sign-in. You send it to them.
person-invited = Invited, expires
person-active = Active
person-no-password = No password
person-remove = Remove
danger-person-remove = Ends all their sessions. Everything they created is kept.
people-not-found-text = No email address starts with this text.
person-remove-title = Remove { $email }
person-remove-last-text = { $email } can no longer sign in: this is their only account, so their sign-in is deleted and all their sessions end. Everything they created is kept.
people-gone = No longer there
person-remove-text = { $email } can no longer sign in, and all their sessions end. Everything they created is kept.
person-yourself = This is you. Manage your password and two-step verification in your profile.
person-in-other-accounts = This person also belongs to another account, so only an operator can set their password, reset two-step verification or change their preferences. They can reset their password by email, if email is set up, or ask an operator.
danger-person-remove-from-account = They can no longer use this account. Everything they created is kept.
person-remove-from-account-text = { $email } can no longer use the account { $account }. Everything they created is kept.
account-invitations = Open invitations
account-invitations-text = These people belong to another account. They join this one when they accept.
account-invitations-more = Only the newest { $count } are shown. The API lists all of them: GET /api/v1/account-invitations.
account-invitations-more-operator = Only the newest { $count } are shown. “keyward account-invitation list” and the API (GET /api/v1/account-invitations) list all of them.
account-invitation-withdraw = Withdraw
account-invitation-created-text = { $email } already has a sign-in. They join the account when they open this link and accept.
done-account-invitation-withdrawn = Invitation withdrawn.
help-role = Viewers can see applications. Developers can also manage applications and API keys. Administrators can also manage people.
help-person-account = Ignored for operators, who don’t belong to an account.
role-operator = Operator
role-administrator = Administrator
role-developer = Developer
role-viewer = Viewer
role-change = Role
link = Invitation link
link-created = Invitation link created
link-text = Send this link to { $email } through a channel only they can read.
link-lifetime = It works once and expires in { $span }.
link-new = Create new link
link-new-text = For someone who forgot their password or lost their link. Previous links stop working.
second-factor-reset = Reset two-step verification
second-factor-reset-text = For someone who lost both their device and their recovery codes. Verify their identity first.
policy-on = Everyone in this account must use two-step verification.
policy-off = Two-step verification is optional in this account.
policy-turn-on = Require
policy-turn-off = Make optional
to-people = Go to people
done-person-deleted = Person deleted.
done-person-removed = Person removed.

## Accounts

accounts-none = No accounts yet
accounts-none-text = An account is a partner with its own people and applications.
accounts-not-found-text = No account has this ID, or a name that starts with this text.
help-account-text = The name or ID of the account.
account-new = New account
account-create = Create account
field-mail-language = Email language
help-mail-language = For people in this account who haven’t chosen a language in their profile.
mail-language-default = Default ({ $language })
account-limits = Limits
account-limits-text = Ask an operator if you need more.
account-limit-used = { $used } of { $limit }
account-limit-api-keys = API keys per application
account-limit-secrets = Client secrets per application
account-limit-trust-rules = Trust rules per application
account-closed = Account closed
account-closed-since = This account was closed on { $at }. Its applications and people are refused.
account-close = Close account
account-close-title = Close the account { $name }?
account-close-text = Its applications, keys and tokens are refused at once, and its people are signed out. You can reopen the account at any time.
account-close-clients = { $count ->
    [0] It has no applications.
    [one] This affects { $count } application.
   *[other] This affects { $count } applications.
}
account-reopen = Reopen account
help-account-name = The partner’s name.
help-max-clients = How many applications the account can create. Leave empty for the default. A lower limit doesn’t affect existing applications.
done-account-closed = Account closed.
done-account-reopened = Account reopened.
done-account-created = Account created. Next, create its first application or invite a person.

## Resource servers

resources-none = No resource servers yet
resources-none-text = A resource server is an API that accepts access tokens and API keys. Its identifier is the audience of its tokens.
resource-new = New resource server
resource-new-text = We also create a client that the API uses to introspect tokens.
resource-create = Create resource server
resource-created = Resource server created
resource-created-text = The API uses these credentials to check whether a token or API key is active.
resource-delete = Delete resource server
resource-delete-text = This deletes { $identifier } and its introspection client.
help-identifier = A URI such as https://orders.example/. You can’t change it later.
help-resource-scope = The scope tokens applications can request, separated by spaces.
field-token-typ = Token type
help-token-typ = The typ header of its access tokens. Choose JWT if the API’s library rejects at+jwt, as Spring Security does.
typ-at-jwt = at+jwt (RFC 9068)
typ-jwt = JWT
field-signing-alg = Signature algorithm
help-signing-alg = The algorithm that signs its access tokens. Until a key for this algorithm is ready to sign, tokens are signed with RS256.
introspect-line = Introspect a token
to-resource-servers = Go to resource servers
done-resource-deleted = Resource server deleted.

## Trust rules

trust-rules = Trust rules
trust-rules-of = Trust rules of { $name }
trust-rules-text = A trust rule lets a workload, such as a CI job or a Kubernetes pod, get access tokens as this application with the JWT of its platform, without a secret.
trust-rules-none = No trust rules
trust-rules-none-text = Create one to let a workload authenticate without a secret.
trust-rules-full = An application can have at most { $count } trust rules. Delete one to create another.
trust-rules-manage = Manage trust rules
trust-rule-new = New trust rule
trust-rule-new-text = Where does the workload run?
trust-rule-for = New trust rule: { $platform }
trust-rule-create = Create trust rule
trust-rule-other-platform = Choose another platform
trust-rule-keys = Keys of the issuer
trust-rule-default-issuer = Default:
trust-rule-single-use = Accepts each JWT only once
trust-rule-broad = The condition { $condition } matches every workload of the cluster or the trust domain. Limit it to a namespace or a path.
trust-rule-sample = Sample token
trust-rule-sample-text = The claims of a token for this workload, and which of them the rule checks. Fields you left empty have example values.
trust-rule-incomplete = Fill in the form to see which claims the rule checks.
trust-rule-met = Met
trust-rule-unmet = Not met by the sample
trust-rule-matched = Match
trust-rule-claims = Claims
trust-rule-test = Test a token
trust-rule-test-text = Paste a token or a certificate of the workload to see which trust rule accepts it, or why none does. The test doesn’t use up the token, and we don’t store it.
trust-rule-result = Result
trust-rule-accepted = A trust rule accepts this token or certificate.
trust-rule-not-accepted = No trust rule accepts this token or certificate.
trust-rule-delete = Delete trust rule
trust-rule-delete-text = Workloads can no longer authenticate with this rule. Tokens that they already have stay valid until they expire.
done-trust-rule-created = Trust rule created.
done-trust-rule-enabled = Trust rule enabled.
done-trust-rule-disabled = Trust rule disabled. Workloads can no longer authenticate with it.
done-trust-rule-deleted = Trust rule deleted.
accepted = Accepted
rejected = Rejected
preview = Preview
column-claim = Claim
column-value = Value
field-platform = Platform
field-jwt = Token
help-jwt = A JWT, such as eyJhbGciOi…
field-certificate = Certificate
help-certificate = Instead of a token: an X.509-SVID in PEM, with its intermediate certificates. Don’t paste its private key.
field-issuer = Issuer
help-issuer = The iss of the tokens, exactly as the platform writes it.
field-conditions = Conditions
help-conditions = One per line, and all must be met: claim=value, claim^=prefix, or claim~=pattern, where * matches anything except / and :, and ** matches anything.
field-audience = Audience
help-audience = The aud of the tokens. Leave empty if the platform can write the address of this service.
field-single-use = Accept each token only once
help-single-use = Platforms let a workload use the same token again until it expires. Select this only if each run gets a new one.
help-trust-jwks = Only for an issuer that this service can’t reach: its public keys as a JWK Set.
field-jwks-uri = URL of the keys
help-trust-bundle = The bundle of the trust domain, in the JSON format of SPIFFE. Without a URL, enter a new bundle before the trust domain starts to use its next key.
help-trust-bundle-uri = The bundle endpoint of the trust domain, with a web certificate (https_web).
help-trust-jwks-uri = Only if the issuer has no discovery document.
field-repository = Repository
help-repository = The owner and the repository, such as acme/app.
field-repository-id = Repository ID
help-repository-id = The numeric ID of the repository. It doesn’t change when the repository is renamed, and isn’t reused if someone else takes its name.
field-ref = Branch or tag
help-ref = A branch such as main, or a tag such as refs/tags/v1. If empty, any branch is trusted, including unreviewed ones.
field-environment = Environment
help-environment = The deployment environment of the job, such as production.
field-project = Project
help-project = The group and the project, such as acme/app.
field-namespace = Namespace
help-namespace = The Kubernetes namespace of the pod.
field-service-account = Service account
help-service-account = On Kubernetes, its name. On Google Cloud, its email address.
field-spiffe-id = SPIFFE ID
help-spiffe-id = Such as spiffe://acme.example/ns/payments/sa/batch.
field-role-arn = Role ARN
help-role-arn = Such as arn:aws:iam::123456789012:role/batch.
field-tenant = Tenant ID
help-tenant = The directory ID of your Microsoft Entra tenant.
field-object-id = Object ID
help-object-id = The object ID of the managed identity. It isn’t the client ID.
platform-github-actions = GitHub Actions
platform-github-actions-text = Trusts the jobs of one repository.
platform-gitlab = GitLab CI/CD
platform-gitlab-text = Trusts the jobs of one project, on GitLab.com or on your own GitLab.
platform-kubernetes = Kubernetes
platform-kubernetes-text = Trusts the pods of one service account.
platform-spiffe = SPIFFE (JWT-SVID)
platform-spiffe-text = Trusts the JWT-SVIDs of one SPIFFE ID.
platform-spiffe-x509 = SPIFFE (X.509-SVID)
platform-spiffe-x509-text = Trusts the X.509-SVIDs of one SPIFFE ID: the workload authenticates with its certificate in mutual TLS.
platform-aws = AWS
platform-aws-text = Trusts the workloads of one IAM role, by outbound identity federation.
platform-gcp = Google Cloud
platform-gcp-text = Trusts the workloads of one service account.
platform-azure = Azure
platform-azure-text = Trusts one managed identity.
platform-custom = Another issuer
platform-custom-text = Trusts the tokens of any issuer that meet your conditions.
platform-id-jag = Identity provider (ID-JAG)
platform-id-jag-text = Lets this application exchange an identity assertion of your identity provider for an access token of the user (Cross App Access). The application also authenticates itself.
detail-yes = Yes
detail-no = No
detail-trust-rule = Trust rule
detail-issuer = Issuer
detail-claims = Claims
detail-role = Role
detail-email-notices = Email notices
detail-client-id = Client ID

## Initial access tokens

registration-text = With an initial access token, a program can register itself as an application (RFC 7591), within the limits of the token.
registration-none = No initial access tokens
registration-none-text = Create one to let a deployment pipeline or an installer register applications by itself.
registration-new = New initial access token
registration-create = Create token
registration-created = Initial access token created
registration-token = Initial access token
registration-line = Register an application
registration-delete = Delete initial access token
registration-delete-text = No more applications can register with this token. Applications that are already registered aren’t affected.
help-registration-scope = The maximum scope of an application that registers with this token.
help-uses = How many applications can register with this token. Leave empty for no limit.
any-number = Unlimited
used-up = Used up
to-registration-tokens = Go to initial access tokens
done-registration-deleted = Initial access token deleted.

## Webhooks

webhook = Webhook
webhooks-text = A webhook sends events to your server as they happen: keys that are created or about to expire, changes of applications, sign-ins. Your server verifies the signature of each delivery.
webhooks-none = No webhooks yet
webhooks-none-text = Create one to be notified before a key expires, or to feed your own alerts.
webhook-new = New webhook
webhook-new-text = Events are sent as JSON by POST requests, signed as the Standard Webhooks specification describes.
webhook-create = Create webhook
webhook-created = Webhook created
webhook-edit = Edit webhook
webhook-secret = Signing secret
webhook-secret-text = Your server verifies deliveries with this secret.
to-webhook = Go to webhook
webhook-all-accounts = All accounts and the server
webhook-all-events = All events
webhook-failing = Failing
webhook-disabled-failures = Disabled after failures
webhook-old-secret = Old secret valid until
webhook-deliveries = Deliveries
webhook-deliveries-none = Nothing has been sent yet.
webhook-test = Send test event
webhook-resend = Send again
webhook-rotate = Rotate secret
webhook-rotate-text = Deliveries are signed with both secrets until the old one expires, so that you can replace it without losing events.
webhook-rotated = Secret rotated
webhook-delete = Delete webhook
webhook-delete-text = Nothing is sent to this URL any more, and its deliveries are no longer listed.
webhook-event-id = Event ID
webhook-last-attempt = Last attempt
webhook-duration = Duration
webhook-body = Body
delivery-pending = Pending
delivery-delivered = Delivered
delivery-failed = Failed
delivery-failure-status = Refused by your server
delivery-failure-redirect = Redirect, not followed
delivery-failure-timeout = No response in time
delivery-failure-address = Host unknown or not public
delivery-failure-connection = Connection failed
delivery-failure-tls = TLS certificate not accepted
delivery-failure-protocol = Invalid HTTP response
delivery-failure-secret = Can’t decrypt the signing secret
help-webhook-url = An https URL of your server.
help-all-events = Also events that are added later. Otherwise, choose events below.
done-webhook-enabled = Webhook enabled. Pending events are sent now.
done-webhook-disabled = Webhook disabled.
done-webhook-tested = The test event is on its way. Reload this page to see the response.
done-webhook-resent = The event is on its way again.
done-webhook-deleted = Webhook deleted.

## Signing keys

signing-keys-text = These keys sign access tokens, each with the algorithm that the resource server requires. A new key is published before it signs, and an old key stays published until its last token has expired.
signing-keys-timeline = Timeline
signing-key-rotate = Rotate key
signing-key-rotate-text = Publishes a new key now. It starts signing once every resource server has had time to fetch it.
field-algorithm = Algorithm
help-algorithm = The new key replaces the key of this algorithm.
key-state-published = Published
key-state-signing = Signing
key-state-retiring = Retiring
key-state-gone = Retired
retire = Retire
retire-key = Retire { $kid }
retire-text = Another key takes over once every resource server has had time to fetch it. Tokens signed by this key stay valid until they expire.
retire-now-text = Retire the key immediately only if the private key was leaked: all its tokens stop working.
retire-now = Retire immediately
done-signing-key-rotated = New key published.
done-signing-key-retired = Key retired.

## Audit log

audit-none = No entries
audit-none-text = No entries match this filter.
audit-none-yet = No matching entries among the newest ones. Older entries may match.
audit-export-csv = Export as CSV
audit-export-jsonl = Export as JSON Lines
all-actions = All actions
action-account-close = Account closed
action-account-create = Account created
action-account-invitation-accept = Account joined
action-account-invitation-create = Invitation to join created
action-account-invitation-decline = Invitation to join declined
action-account-invitation-delete = Invitation to join withdrawn
action-account-invitation-refused = Invitation to join refused: no one can accept at this address
action-membership-delete = Person removed from account
action-membership-leave = Account left
action-account-reopen = Account reopened
action-account-update = Account updated
action-api-key-create = API key created
action-api-key-delete = API key revoked
action-api-key-expire-soon = API key about to expire
action-api-key-revoke = API key revoked by its holder
action-api-key-rotate = API key rotated
action-api-key-update = API key updated
action-authentication-failure = Authentication failed
action-client-create = Application created
action-client-delete = Application deleted
action-client-disable = Application disabled
action-client-enable = Application enabled
action-client-renew-registration-token = Registration access token renewed
action-client-revoke-registration-token = Registration access token revoked
action-client-update = Application updated
action-clock-reset = Clock reset and all tokens revoked
action-database-restore = Database restored from a backup
action-registration-token-create = Initial access token created
action-registration-token-delete = Initial access token deleted
action-resource-create = Resource server created
action-resource-update = Resource server updated
action-resource-delete = Resource server deleted
action-sealing-key-prune = Old sealing keys removed
action-sealing-key-reset = Sealing key replaced after loss
action-sealing-key-rotate = Sealing key rotated
action-secret-create = Client secret created
action-secret-delete = Client secret deleted
action-secret-expire-soon = Client secret about to expire
action-secret-rotate = Client secret rotated
action-secret-update = Client secret renamed
action-session-create = Signed in
action-session-end = Signed out
action-session-failure = Sign-in failed
action-session-switch-account = Account switched
action-signing-key-create = Signing key created
action-signing-key-import = Signing key imported
action-signing-key-retire = Signing key retired
action-signing-key-rotate = Signing key rotated
action-signing-key-update = Signing key kept published longer
action-token-issue = Token issued by a trust rule
action-token-refused = Token rejected
action-token-revoke = Token revoked
action-token-revoke-all = All tokens revoked
action-trust-rule-create = Trust rule created
action-trust-rule-delete = Trust rule deleted
action-trust-rule-disable = Trust rule disabled
action-trust-rule-enable = Trust rule enabled
action-user-accept-invitation = Invitation accepted
action-user-change-password = Password changed
action-user-create = Person created
action-user-delete = Person removed
action-user-invite = Invitation link created
action-user-remove-second-factor = Two-step verification turned off
action-user-renew-recovery-codes = Recovery codes replaced
action-user-reset-second-factor = Two-step verification reset
action-user-set-password = Password set
action-user-set-preferences = Preferences changed
action-user-set-role = Role changed
action-user-set-second-factor = Two-step verification set up
action-verification-refused = Request rejected by /verify
action-webhook-create = Webhook created
action-webhook-delete = Webhook deleted
action-webhook-disable = Webhook disabled
action-webhook-enable = Webhook enabled
action-webhook-resend = Event sent again
action-webhook-rotate = Webhook secret rotated
action-webhook-test = Test event sent
action-webhook-update = Webhook updated

## Overview

as-of = Updated at { $when } { $zone }.
pause = Pause updates
resume = Resume updates
last-hour = Last hour
last-day = Last 24 hours
tokens-issued = Tokens issued
introspections = Introspections
verifications = /verify requests
failures-count = Failures
token-p95 = Token latency, p95
introspection-p95 = Introspection latency, p95
p50 = p50
p95 = p95
chart-rate = Requests per minute
chart-failures = Failures per minute
chart-token-times = Token latency (ms)
chart-introspection-times = Introspection latency (ms)
chart-day = Requests per hour
chart-day-failures = Failures per hour
top-clients = Top applications
top-none = No traffic yet
top-none-text = Applications appear here when they get access tokens or use their API keys.

## Errors

failed-not-found = Not found
failed-not-found-text = This page doesn’t exist, or you don’t have access to it.
failed-unavailable = Temporarily unavailable
failed-unavailable-text = The database can’t be reached. Nothing was changed. Try again in a moment.
failed-resubmit = We kept what you entered. Try again in a moment.
failed-too-many = Too many requests
failed-too-many-text = Wait a moment, then try again.
failed-denied = Access denied
failed-denied-text = Your role doesn’t allow this. Ask an administrator of your account.
failed-fault = Something went wrong
failed-fault-text = An operator can find the details in the server log by the request ID below.
failed-refused = Request rejected
failed-refused-text = The request is not valid.

refusal-not-found = { $name } doesn’t exist.
refusal-client-changed = Someone else changed this while you were editing. Review the current values; saving again overwrites them.
refusal-name-length = A name must have 1 to { $limit } characters.
refusal-name-characters = A name can’t start or end with a space or contain invisible characters.
refusal-expiry-in-the-past = Choose an expiry in the future.
refusal-too-many-reports = Your account has too many slow requests in progress. Try again in a few seconds.
refusal-cross-site-form = This form was submitted from another site. Nothing was changed.
refusal-language-unknown = Choose a language from the list.
refusal-time-zone-unknown = There is no time zone “{ $name }”. Enter a name such as Europe/Paris.
refusal-invalid-duration = Enter a duration such as 30d.
refusal-invalid-integer = Enter a whole number.
refusal-invalid-date = Enter a date.
refusal-invalid-scope = Enter scope tokens separated by spaces, without quotation marks or backslashes.
refusal-right-not-held = You don’t have the permission { $right }, so you can’t grant it.
refusal-right-unknown = The permission { $right } doesn’t exist. Scopes that start with “keyward:” are reserved.
refusal-right-needs-management = To use the permission { $right }, the application also needs the resource server { $resource }.
refusal-registrant-right = Applications that register themselves can’t have the permission { $right }.
refusal-registrant-management = Applications that register themselves can’t use the management API.
refusal-resource-unknown = { $name } doesn’t exist.
refusal-resource-not-in-account = None of your account’s applications can use { $resource }. Ask an operator.
refusal-scope-not-in-account = None of your account’s applications has the scope { $scope } without a resource server. Select one, or ask an operator.
refusal-scope-and-resource-not-in-account = None of your account’s applications has the scope { $scope } for { $resource }. Ask an operator.
refusal-too-many-combinations = This combines too many scopes and resource servers for one application. Create several applications instead.
refusal-trust-rules-full = An application can have at most { $limit } trust rules. Delete one first.
refusal-client-of-disabled-trust-rule = An operator disabled a trust rule of this application. Only an operator can delete the application.
refusal-trust-issuer-disabled-by-operator = An operator disabled a trust rule of this account for this issuer. Only an operator can create another one or delete it.
refusal-trust-rule-profile = This application has the security profile { $profile }, which doesn’t allow JWTs of other issuers.
refusal-trust-rule-disabled-by-operator = An operator disabled this trust rule. Only an operator can enable it again.
refusal-trust-issuer = Enter an https URL, without a query and without a fragment.
refusal-trust-issuer-own = This is the address of this service. Enter another issuer.
refusal-trust-domain = Enter a trust domain such as spiffe://acme.example, without a path.
refusal-trust-domain-keys = Enter the bundle of the trust domain, or the address of its bundle endpoint.
refusal-trust-keys-twice = Enter the keys or their address, but not both.
refusal-trust-jwks = Enter a JWK Set with valid public keys.
refusal-trust-jwks-uri = Enter an https URL.
refusal-trust-audience = Enter 1 to { $limit } characters, without spaces or accents.
refusal-trust-id-jag-issuer = Enter the https URL of your identity provider.
refusal-trust-id-jag-audience = Leave the audience empty: it is the address of this service.
refusal-trust-svid-audience = Leave the audience empty: a certificate has none.
refusal-trust-svid-single-use = Clear this box: a workload presents the same certificate until it expires.
refusal-trust-svid-condition = Enter conditions on sub only, which is the SPIFFE ID. A certificate has no { $claim }.
refusal-trust-conditions = Enter 1 to 10 conditions such as sub=batch, one per line. The claims iss, aud, exp, nbf and iat are checked automatically.
refusal-trust-no-identity = These conditions don’t identify a workload. Add one on sub, or on a claim such as repository_id or email, that begins with a fixed text.
refusal-trust-shared-issuer = { $issuer } issues tokens to all of its customers. Add a condition that limits the rule to yours: { $forms }.
refusal-trust-preset-value = Fill in this field.
refusal-trust-preset-value-unused = This field doesn’t apply to this platform.
refusal-trust-preset-value-malformed = Enter a value such as { $example }.
refusal-account-closed = This account is closed. An operator can reopen it.
refusal-account-not-closable = The account “{ $name }” belongs to Keyward and can’t be closed.
refusal-account-exists = This name is already in use.
refusal-user-exists = A person with this email address already exists.
refusal-user-unknown = This person doesn’t exist.
refusal-user-has-more-rights = This person has permissions you don’t have.
refusal-email-invalid = Enter a valid email address.
refusal-email-reserved = You can’t use this email address here. Use another one, or ask an operator.
refusal-user-elsewhere = This person already belongs to another account. Invite them to this one.
refusal-user-of-several-accounts = This person also belongs to another account. They can reset their password by email, if email is set up. For everything else, ask an operator.
refusal-user-account-required = This person belongs to several accounts. Choose one.
refusal-invited-without-password = This person hasn’t set a password yet and couldn’t accept. An administrator of their account or an operator has to send them a new link first.
refusal-user-would-be-deleted = This is the person’s only account, so removing them would delete their sign-in. Nothing was changed. Confirm again.
refusal-user-gone = This person was removed, or has left the account. Nothing was changed.
refusal-account-invitation-accepted = This person has accepted the invitation. Nothing was changed.
refusal-account-invitation-declined = This person has declined the invitation. Nothing was changed.
refusal-account-invitation-withdrawn = The invitation was withdrawn, or ended when the person who sent it could no longer invite. Nothing was changed.
refusal-account-invitation-replaced = A newer invitation has replaced this one. Nothing was changed.
refusal-account-invitation-expired = The invitation has expired. Nothing was changed.
refusal-account-invitation-of-other = This invitation is for someone else. Sign in with the email address it was sent to.
refusal-account-invitations-full = There can be at most { $limit } open invitations. Withdraw one first.
refusal-account-invitations-refused = More than { $limit } addresses within an hour could not be invited. Try again later.
refusal-account-limit = You can belong to at most { $limit } accounts.
refusal-account-not-own = You don’t belong to this account.
refusal-last-account = This is your only account. An administrator can remove you.
refusal-last-open-account = Your other accounts are closed, so you could no longer sign in. You can leave this account once another one is open.
refusal-last-administrator = You’re the only administrator of this account. Give someone else this role first.
refusal-role-right-not-held = This role has the permission { $right }, which you don’t have.
refusal-operators-manage-operators = Only an operator can manage operators.
refusal-operator-has-no-account = An operator doesn’t belong to an account. Remove this person and create them again.
refusal-own-user = You can’t do this to yourself. Ask another administrator.
refusal-invitation-invalid = The link was used or replaced, or has expired.
refusal-too-many-failures = { $seconds ->
    [one] Too many failed attempts. Try again in one second.
   *[other] Too many failed attempts. Try again in { $seconds } seconds.
}
refusal-sign-in-failed = Wrong email address or password.
refusal-session-ended = Your session has expired. Sign in again.
refusal-wrong-current-password = The current password is wrong.
refusal-wrong-code = The code is wrong or was already used.
refusal-second-factor-locked = Too many wrong codes. Use a recovery code, or ask an administrator for a link to set a new password.
refusal-second-factor-exists = Two-step verification is already set up.
refusal-enrolment-expired = This form is out of date. Start again.
refusal-password-unchanged = This is already your password.
refusal-password-format = A password must have at least 10 characters, five of them different, at most 1,024 bytes, and not be your email address.
refusal-password-personal = Don’t use your email address or the name of this service. Use several unrelated words.
refusal-password-common = This is similar to one of the most common passwords. Use several unrelated words.
refusal-password-keyboard = Adjacent keys on a keyboard are easy to guess. Use several unrelated words.
refusal-password-repeated = Repeated characters are easy to guess. Use several different words.
refusal-password-sequence = Sequences such as abc or 1234 are easy to guess. Use several unrelated words.
refusal-password-date = Dates and years are easy to guess. Use several unrelated words.
refusal-password-guessable = This password is easy to guess. Add a word or two.
refusal-client-limit = { $limit ->
    [one] This account can have one application. Ask an operator to raise the limit.
   *[other] This account can have { $limit } applications. Ask an operator to raise the limit.
}
refusal-client-has-more-rights = This application has permissions you don’t have.
refusal-client-disabled-by-operator = An operator disabled this application. Only an operator can enable it again.
refusal-client-of-resource-server = The resource server { $resource } uses this client for introspection. Delete the resource server instead.
refusal-client-not-self-registered = This application didn’t register itself, so it has no registration access token.
refusal-introspection-needs-operator = Only an operator can allow token introspection.
refusal-introspected-resources-need-operator = This application can introspect tokens, so only an operator can give it other resource servers.
refusal-jwks-invalid = Enter a JWK Set with valid public keys.
refusal-certificate-name-invalid = Enter a valid name for this kind of certificate name.
refusal-certificate-name-required = Enter the name that the client certificate must have.
refusal-certificate-required = Enter a JWK Set with the client certificate in x5c.
refusal-one-binding = Choose either DPoP or a client certificate, not both.
refusal-jwks-required = Enter the public keys for signed assertions.
refusal-profile-auth-method = The security profile { $profile } doesn’t allow the authentication method { $method }.
refusal-secret-limit = { $limit ->
    [one] You’ve reached the limit of one secret. Delete it first.
   *[other] You’ve reached the limit of { $limit } secrets. Delete one first.
}
refusal-secret-not-used = This application doesn’t authenticate with a client secret.
refusal-uses-required = Enter a number of uses of at least one.
refusal-secret-unknown = This client secret doesn’t exist. It was deleted or has expired.
refusal-credential-required = Paste a token or an API key.
refusal-client-ip-invalid = This isn’t an IP address. Enter one such as 203.0.113.7.
refusal-api-key-unknown = This API key doesn’t exist. It was revoked or has expired.
refusal-api-key-profile = This application has the security profile { $profile }, which doesn’t allow API keys.
refusal-api-key-name-taken = This name is already in use.
refusal-api-key-limit = { $limit ->
    [one] You’ve reached the limit of one key. Revoke it first.
   *[other] You’ve reached the limit of { $limit } keys. Revoke one first.
}
refusal-api-key-scope = The application doesn’t have all of this scope.
refusal-api-key-ip-ranges = Enter IP addresses or ranges such as 203.0.113.0/24.
refusal-api-key-no-scope = Select at least one scope.
refusal-api-key-no-ip-ranges = Enter at least one IP address or range, or allow any address.
refusal-api-key-resources = The application can’t use all of these resource servers.
refusal-api-key-no-resources = List at least one resource server, or allow all of them.
refusal-api-key-no-resource = Select at least one resource server.
refusal-api-key-resources-lost = The application can no longer use any of the resource servers of this API key.
refusal-api-key-manages-none = This API key can’t manage keys.
refusal-api-key-already-rotated = This API key was already rotated.
refusal-secrets-not-chosen = Select at least one secret.
refusal-clients-not-chosen = Select at least one application.
refusal-clients-too-many = You can change up to { $max } applications at a time.
refusal-api-keys-not-chosen = Select at least one API key.
refusal-api-key-is-last = You can’t revoke the last key. Rotate it instead. If it was leaked, expire the old key immediately.
refusal-webhooks-full = You can have at most { $limit } webhooks. Delete one first.
refusal-webhook-url = Enter an https URL.
refusal-webhook-description = Enter at most { $limit } characters, without invisible ones.
refusal-webhook-no-events = Choose at least one event, or all events.
refusal-webhook-all-events = Choose all events or some of them, but not both.
refusal-webhook-event = There’s no event { $event }.
refusal-webhook-for-operators = Only an operator can have a webhook for all accounts.
refusal-webhook-account-or-all = Choose one account or all accounts, but not both.
refusal-webhook-disabled-by-operator = An operator disabled this webhook. Only an operator can enable or delete it.
refusal-webhook-is-disabled = This webhook is disabled. Enable it first.
refusal-webhook-is-full = This webhook has { $limit } pending deliveries. Wait until some of them have been sent.
refusal-webhook-grace = Choose at most 7 days.
refusal-resource-server-exists = This name is already in use.
refusal-resource-server-in-use = { $count ->
    [one] One application uses this resource server. Remove it from the application first.
   *[other] { $count } applications use this resource server. Remove it from them first.
}
refusal-identifier-invalid = Enter a URI such as https://orders.example/, without a fragment.
refusal-identifier-reserved = This URI belongs to Keyward. Use the URI of your own API.
refusal-resource-server-right = Scopes that start with “keyward:” are reserved. Rename { $right }.

## Errors without a message of their own, by error code

error-invalid-request = The request is not valid.
error-invalid-client = Authentication failed.
error-invalid-grant = The grant is not valid.
error-unauthorized-client = The application isn’t allowed to do this.
error-unsupported-response-type = This response type is not supported.
error-unsupported-grant-type = This grant type isn’t supported.
error-invalid-scope = The scope is not valid.
error-invalid-target = The resource server can’t be used.
error-invalid-dpop-proof = The DPoP proof isn’t valid.
error-use-dpop-nonce = The DPoP proof needs a nonce.
error-invalid-token = The token isn’t active.
error-insufficient-scope = Your role doesn’t allow this.
error-invalid-client-metadata = These values are not valid.
error-invalid-redirect-uri = The redirect URI is not valid.
error-access-denied = Your role doesn’t allow this.
error-not-found = Not found.
error-method-not-allowed = You can’t open this address directly.
error-conflict = This conflicts with existing data.
error-precondition-failed = Someone else changed this meanwhile.
error-idempotency-key-reused = This form was already submitted with other values.
error-temporarily-unavailable = The service is temporarily unavailable.
error-server-error = Something went wrong.

## Why an authentication failed

reason-no-authentication = no client authentication in the request
reason-unreadable-authorization = invalid Authorization header
reason-secret-without-client = client_secret without client_id
reason-unknown-client = unknown client
reason-account-closed = the account is closed
reason-client-disabled = the application is disabled
reason-wrong-method = the application is registered with { $method }
reason-not-a-secret = not a valid client secret
reason-no-such-secret = unknown secret { $id }: deleted, or of another application
reason-wrong-secret = wrong secret with the ID { $id }
reason-secret-ended = the secret { $id } expired { $at }
reason-assertion-not-a-jwt = the assertion is not a JWT
reason-assertion-wrong-type = the type (typ) of the assertion is that of a JWT for another purpose
reason-assertion-algorithm = the assertion’s signature algorithm is not accepted
reason-assertion-critical-header = the assertion has an unsupported critical header
reason-assertion-no-keys = the application has no keys
reason-assertion-keys-unreadable = the application’s keys are invalid
reason-assertion-keys-unreachable = the application’s keys can’t be fetched
reason-assertion-no-usable-key = none of the application’s keys can verify assertions
reason-assertion-no-fitting-key = none of the application’s keys matches the assertion
reason-assertion-wrong-signature = the assertion’s signature is invalid
reason-assertion-unreadable = the assertion can’t be parsed
reason-assertion-wrong-client = iss and sub of the assertion must be the client ID
reason-assertion-wrong-audience = aud of the assertion is { $aud }; it must be the issuer
reason-assertion-for-token-endpoint = aud of the assertion is the token endpoint, not the issuer; use the issuer, or ask an operator to turn on assertion_for_token_endpoint
reason-assertion-ended = { $seconds ->
    [one] the assertion expired one second ago
   *[other] the assertion expired { $seconds } seconds ago
}
reason-assertion-too-long = the assertion expires in { $seconds } seconds; the maximum is { $most }
reason-assertion-not-begun = { $seconds ->
    [one] the assertion becomes valid in one second
   *[other] the assertion becomes valid in { $seconds } seconds
}
reason-assertion-used = the assertion was already used
reason-profile-secret = the security profile { $profile } doesn’t allow a client secret
reason-profile-api-key = the security profile { $profile } doesn’t allow API keys
reason-profile-workload = the security profile { $profile } doesn’t allow a token of another issuer in place of the application’s own key
reason-profile-algorithm = the security profile { $profile } doesn’t allow an assertion signed with { $algorithm }
reason-profile-audience = the audience of the assertion is { $aud }, and the security profile { $profile } requires the issuer as a string
reason-profile-unbound = the security profile { $profile } requires a token bound to a key, and the request has neither a DPoP proof nor a client certificate
reason-certificate-missing = no client certificate in the request
reason-certificate-unreadable = the client certificate can’t be read: { $detail }
reason-certificate-ended = the client certificate expired { $at }
reason-certificate-not-begun = the client certificate isn’t valid before { $at }
reason-certificate-no-authorities = no certificate authorities are configured for client certificates
reason-certificate-of-authority = the client certificate is one of a certificate authority
reason-certificate-unknown-authority = the client certificate isn’t issued by a trusted certificate authority
reason-certificate-chain-ended = an intermediate certificate has expired
reason-certificate-chain-not-begun = an intermediate certificate isn’t valid yet
reason-certificate-wrong-purpose = the client certificate isn’t for client authentication
reason-certificate-not-valid = the client certificate isn’t valid: { $detail }
reason-certificate-no-name = the client is registered without a certificate name
reason-certificate-wrong-name = the client certificate doesn’t have the registered name, { $kind } { $name }
reason-certificate-not-registered = the client certificate with the SHA-256 thumbprint { $thumbprint } isn’t registered
reason-certificate-with-proof = a DPoP proof was sent, although the client is registered for certificate-bound tokens
reason-token-without-certificate = presented without a client certificate, although the token is bound to one
reason-token-wrong-certificate = presented with another client certificate than the one the token is bound to
reason-trust-own-issuer = a token of this service was presented as an assertion
reason-trust-token-type = a JWT of the type { $typ } was presented as an assertion
reason-trust-no-issuer = the JWT has no issuer
reason-trust-issuer-unknown = there is no trust rule for the issuer { $issuer }
reason-trust-no-rule-matches = none of the trust rules for the issuer { $issuer } matches
reason-trust-rule-ambiguous = trust rules of several applications match; the request must contain client_id
reason-trust-condition-unmet = the JWT or certificate doesn’t meet the condition { $condition } of the trust rule { $rule }
reason-trust-rule-disabled = the trust rule { $rule } is disabled
reason-trust-rule-ended = the trust rule { $rule } expired { $at }
reason-trust-wrong-audience = aud of the JWT is { $aud }; the trust rule { $rule } requires { $expected } alone
reason-trust-token-ended = the JWT for the trust rule { $rule } expired { $seconds } s ago
reason-trust-token-too-long = the JWT for the trust rule { $rule } expires in { $seconds } s; the maximum is { $most } s
reason-trust-token-not-begun = the JWT for the trust rule { $rule } becomes valid in { $seconds } s
reason-trust-keys-unreachable = the issuer’s keys for the trust rule { $rule } can’t be fetched
reason-trust-keys-unusable = none of the issuer’s keys for the trust rule { $rule } can verify the JWT
reason-trust-no-fitting-key = none of the issuer’s keys for the trust rule { $rule } matches the JWT
reason-trust-wrong-signature = the signature of the JWT for the trust rule { $rule } is invalid
reason-trust-token-used = the JWT for the trust rule { $rule } was already used
reason-svid-uri-names = the client certificate has { $count } URIs among its names; an X.509-SVID has exactly one
reason-svid-not-a-spiffe-id = the URI { $uri } of the client certificate isn’t a SPIFFE ID: { $detail }
reason-svid-key-usage = the key usage of the client certificate isn’t that of an X.509-SVID: { $detail }
reason-svid-wrong-client-id = client_id is { $given }, but the SPIFFE ID of the client certificate is { $expected }
reason-svid-no-rule = there is no trust rule for X.509-SVIDs of { $domain }
reason-svid-no-authorities = the bundle for the trust rule { $rule } has no certificate authority for X.509-SVIDs: { $detail }
reason-svid-unknown-authority = the client certificate isn’t issued by a certificate authority in the bundle of the trust rule { $rule }
reason-id-jag-claim-missing = the identity assertion (ID-JAG) has no { $claim }
reason-id-jag-claim-unsupported = the claim { $claim } of the identity assertion (ID-JAG) isn’t supported
reason-id-jag-wrong-client = client_id of the identity assertion (ID-JAG) is { $client }, not the application of the trust rule { $rule }
reason-id-jag-wrong-key = the identity assertion (ID-JAG) is bound to a key, and the request doesn’t prove possession of it
reason-no-initial-token = no initial access token
reason-unknown-initial-token = unknown initial access token
reason-wrong-initial-token = wrong initial access token
reason-initial-token-ended = the initial access token has expired
reason-initial-token-used-up = the initial access token is used up
reason-no-registration-token = no registration access token
reason-wrong-registration-token = wrong registration access token
reason-not-registered-by-itself = unknown application, or not registered dynamically
reason-token-too-long = the token is too long
reason-not-a-token = not a JWT
reason-token-header-unreadable = the token’s header can’t be parsed
reason-token-wrong-type = the token’s type is neither at+jwt nor JWT
reason-token-critical-header = the token has an unsupported critical header
reason-token-unknown-key = the token was signed with an unknown key
reason-token-signing-key-retired = the token’s signing key is retired
reason-token-wrong-algorithm = the token’s algorithm doesn’t match its key
reason-token-signature-unreadable = the token’s signature can’t be parsed
reason-token-wrong-signature = the token’s signature is invalid
reason-token-claims-unreadable = the token’s claims can’t be parsed
reason-token-of-another-issuer = the token was issued by another issuer
reason-token-ended = the token has expired
reason-token-ended-by-later-clock = the token has expired; the server’s clock is more than a day behind
reason-token-revoked = the token was revoked
reason-all-tokens-revoked = all of the application’s tokens were revoked
reason-token-api-key-ended = the API key the token was exchanged for is no longer active
reason-token-without-record = the token has no record
reason-token-without-proof = presented as a Bearer token, although it is bound to a key
reason-token-not-bound = presented with a DPoP proof, although it isn’t bound to a key
reason-dpop-missing = no DPoP proof in the request
reason-dpop-header = the DPoP header was sent more than once, or isn’t text
reason-dpop-not-a-jwt = the DPoP proof is not a JWT
reason-dpop-wrong-type = the DPoP proof’s type is not dpop+jwt
reason-dpop-algorithm = the DPoP proof’s signature algorithm is not accepted; use ES256, PS256 or Ed25519
reason-dpop-critical-header = the DPoP proof has an unsupported critical header
reason-dpop-unusable-key = the key in the DPoP proof can’t be used: { $detail }
reason-dpop-wrong-signature = the DPoP proof’s signature is invalid
reason-dpop-unreadable = the DPoP proof can’t be parsed: { $detail }
reason-dpop-wrong-method = htm of the DPoP proof is { $given }; the method was { $expected }
reason-dpop-wrong-url = htu of the DPoP proof is { $given }; the URL was { $expected }
reason-dpop-unknown-request = the DPoP proof can’t be checked, because the proxy doesn’t say which request it is for: { $missing }
reason-dpop-wrong-time = iat of the DPoP proof is { $seconds } s behind the server’s time
reason-dpop-wrong-access-token = ath of the DPoP proof is not the hash of the access token
reason-dpop-wrong-key = the DPoP proof was signed with another key than the one the token is bound to
reason-dpop-nonce = the DPoP proof has no valid nonce
reason-dpop-used = the DPoP proof was already used
reason-not-a-key = not a valid API key
reason-no-such-key = unknown API key
reason-key-revoked = the API key { $name } was revoked
reason-wrong-key = wrong API key
reason-key-ended = the API key has expired
reason-address-not-allowed = presented from an IP address that isn’t allowed
reason-scope-malformed = malformed scope
reason-scope-not-allowed = the requested scope isn’t allowed: { $scope }
reason-resource-not-allowed = the requested resource server isn’t allowed: { $resource }
reason-key-scope-not-allowed = the requested scope isn’t allowed for the API key, only for its application: { $scope }
reason-key-resource-not-allowed = the requested resource server isn’t allowed for the API key, only for its application: { $resource }
reason-grant-type-not-allowed = the requested grant type isn’t allowed: { $grant_type }
reason-insufficient-scope = the request requires the scope { $scope }
reason-wrong-resource-server = presented to { $resource }, which isn’t in the audience
reason-wrong-password = wrong email address or password
reason-wrong-current-password = wrong current password
reason-wrong-second-factor = wrong verification code
reason-second-factor-locked = two-step verification is locked after too many wrong codes
reason-failures-left-out = { $count } more failures by unknown callers were not recorded
reason-owner-deleted = the application was deleted
reason-owner-disabled = the application is disabled
reason-not-for-caller = the caller isn’t in the audience

# The status of the installation.
menu-status = Status
column-node = Node
column-started = Started
column-seen = Last seen
column-clock = Clock
column-certificate = Certificate expires
column-next-rotation = Next rotation
column-job = Job
column-last-run = Last run
column-last-success = Last success
column-last-error = Last error
status-good = Everything works
status-nodes = Nodes
status-jobs = Background jobs
status-version = Version
status-time = Time
status-database = Database
status-size = { $size } MiB
status-migrations = { $count } migrations, the newest { $newest }
status-up = Up
status-missing = Missing
status-leader = Leader
status-clock = { $millis } ms
status-problem-no-node = No node has reported in the last minutes.
status-problem-node-missing = { $subject } has not reported in the last minutes.
status-problem-versions-differ = The nodes run different versions: { $subject }.
status-problem-clock = The clocks disagree on { $subject }.
status-problem-job-fails = A background job fails on { $subject }.
status-problem-certificate-expires = The TLS certificate of { $subject } expires within two weeks, or has expired.
status-problem-no-signing-key = There is no signing key for { $subject }.

## Usage of applications and credentials

usage = Usage
usage-by-hour = Last 24 hours
usage-by-day = Last 90 days
export-csv = Export as CSV
uses = Requests
chart-by-day = Requests per day
chart-by-day-failures = Failures per day
used-from = Used from
used-from-text = The last ten IP addresses and programs. Introspections aren’t included: they don’t show where a request came from.
used-from-none = Not used yet
used-from-none-text = You’ll see here the IP addresses and programs that use it.
column-user-agent = Program
column-first-seen = First seen
column-requests = Requests
any-address = Any address
unused = Unused
unused-hint = What is marked as unused hasn’t been used for 90 days. Revoke or delete it if nothing needs it.
try-key = Test a token or an API key
try-out = Test
try-text = See what /verify and introspection would answer, and why. Testing isn’t counted as a use, and nothing is stored.
field-credential = Token or API key
help-credential = It must belong to one of your applications. It isn’t shown again.
field-resource-server = Resource server
help-try-resource-server = The identifier of the API that it is sent to. Without one, /verify accepts all of its resource servers.
help-try-scope = What the API requires for the request.
field-client-ip = IP address
help-try-client-ip = Where the request comes from. Without one, allowed IP addresses aren’t checked.
try-introspection = Introspection
try-response = Response
try-inactive = Inactive
try-asked-by = Asked by { $resource }
try-no-audience = The application can no longer use any resource server of this key or token.
try-no-caller = No resource server can introspect it: it isn’t for one, or the one you entered doesn’t exist.

## Unused credentials, announcements, deletion of accounts

unused-credentials = Unused credentials
unused-text = Active API keys and client secrets that haven’t been used for 90 days. Revoke or delete the ones you no longer need.
unused-none = No unused credentials
unused-none-text = Every active API key and client secret was created or used in the last 90 days.
unused-all = Show all unused credentials
column-credential = Credential
status-unused = { $keys ->
    [one] { $keys } API key
   *[other] { $keys } API keys
}, { $secrets ->
    [one] { $secrets } client secret
   *[other] { $secrets } client secrets
}
menu-announcements = Announcements
announcements-text = Tell the users of the portal what they should know, such as a maintenance window. They see an announcement at the top of each page until it ends or they dismiss it.
announcements-none = No announcements
announcements-none-text = Announcements you create appear here.
announcement-new = New announcement
announcement-create = Create announcement
announcement-edit = Edit announcement
announcement-edit-text = If you change the text or the severity, the announcement is shown again to users who dismissed it.
announcement-delete = Delete announcement
announcement-delete-text = Users no longer see it. You can’t undo this.
announcement-ended = Ended
announcement-planned = Planned
announcement-shown = Shown
severity-info = Information
severity-warning = Warning
severity-critical = Important
dismiss = Dismiss
field-severity = Severity
field-text-en = Text in English
field-text-fr = Text in French
field-starts-at = From
field-ends-at = Until
help-announcement-text = One line of plain text, up to 500 characters.
help-announcement-start = If you leave it empty, the announcement is shown from now on.
help-announcement-time = A date such as 2026-11-21, or a time such as 2026-11-21T20:00:00Z. Dates are in UTC.
column-text = Text
column-from = From
column-until = Until
done-announcement-created = Announcement created.
done-announcement-deleted = Announcement deleted.
action-announcement-create = Announcement created
action-announcement-delete = Announcement deleted
action-announcement-dismiss = Announcement dismissed
action-announcement-update = Announcement updated
refusal-announcement-length = Enter 1 to { $limit } characters.
refusal-announcement-characters = Enter one line of plain text.
refusal-announcement-time = Enter a date such as 2026-11-21 or a time such as 2026-11-21T20:00:00Z.
refusal-announcement-period = The announcement must end after it begins, and in the future.
refusal-announcement-too-far = The announcement must begin within { $days } days.
refusal-announcement-too-long = The announcement can be shown for up to { $days } days.
refusal-announcement-limit = There are already { $limit } announcements that haven’t ended. Delete one first.
account-deleting = Being deleted
account-deleting-text = This account and everything in it are being deleted. The audit log is kept.
account-delete = Delete account
account-delete-title = Delete { $name }
account-delete-text = Deletes the account with its applications, keys, secrets, people and webhooks. The audit log is kept. You can’t undo this.
help-account-delete-name = Enter the name of the account to confirm.
done-account-deleting = The account is being deleted.
action-account-delete = Account deletion started
action-account-deleted = Account deleted
refusal-account-not-closed = Only a closed account can be deleted. Close it first.
refusal-account-name-differs = This isn’t the name of the account.
refusal-account-being-deleted = The account is being deleted. You can’t open it again.

## E-mail

mails = Email
mails-text = Sent and queued email. The text of a message isn’t kept.
mails-off = No email is sent: no SMTP server is set up. Share password links with people yourself.
mails-none = No email yet
mails-none-text = Invitations, password resets and notices appear here.
mail-send-test = Send test email
mail-refused = Refused: { $code }
mail-failure-status = Refused by the server
mail-failure-timeout = Timed out
mail-failure-address = Unknown host or unusable address
mail-failure-connection = Connection failed
mail-failure-tls = TLS certificate not accepted
mail-failure-protocol = Invalid reply
mail-failure-secret = Can’t decrypt the link
mail-failure-redirect = Invalid reply
done-mail-tested = The test email is on its way. Reload this page to see the outcome.
status-mail-on = On
status-mail-off = Off
status-mail-show = Show email
status-problem-mail-fails = Email isn’t being sent.
mail-fact = { $label }: { $value }
mail-actor = By
mail-time = Time
mail-browser = Browser
mail-address = IP address
mail-expires = Expires
mail-notices = You can turn off these notices in your profile:
mail-notices-off = Email notices turned off
mail-test = Test email from Keyward
mail-test-text = Email from Keyward works.
mail-invitation = Your invitation to Keyward
mail-invitation-text = You were invited to the account “{ $account }”. Open this link to set your password:
mail-invitation-unnamed = You were invited to an account. Open this link to set your password:
mail-invitation-operator = You were invited as an operator. Open this link to set your password:
mail-invitation-until = The link works once, until { $until }.
mail-invitation-ignore = If you didn’t expect this invitation, ignore this email.
mail-account-invitation = Your invitation to another account
mail-account-invitation-text = You were invited to use the account “{ $account }” with your sign-in. Open this link to accept or decline:
mail-account-invitation-unnamed = You were invited to use another account with your sign-in. Open this link to accept or decline:
mail-password-reset = Reset your password
mail-password-reset-text = Someone asked to reset your password. Open this link to set a new one:
mail-password-reset-until = The link works once, until { $until }.
mail-password-reset-ignore = If it wasn’t you, ignore this email: your password stays the same.
mail-sign-in = New sign-in to your account
mail-sign-in-text = Someone signed in to your account with a browser we don’t recognize.
mail-sign-in-advice = If it wasn’t you, change your password and end the session:
mail-own-advice = If it wasn’t you, ask your administrator for help and check your sessions:
mail-expiry-advice = Create a new one and replace it in your application before it expires:
mail-credential-advice = If nobody in your team did this, check the audit log:
mail-key-advice = If no operator did this, check the signing keys:

## Password reset

forgot = Forgot your password?
forgot-text = Enter the email address you sign in with. We’ll send you a link to set a new password.
forgot-send = Send link
forgot-again = Request a new link
forgot-sent = Check your email
forgot-sent-text = If an account uses this address, we’ve sent it a link. It works once and expires in an hour. If nothing arrives, check your spam folder or ask your administrator.
forgot-ask = Ask your administrator for a link to set a new password.
to-sign-in = Back to sign-in
reset = Set a new password
reset-text = This ends all of your sessions. If you use two-step verification, you still need a code to sign in.
reset-gone-text = The link was used or has expired, or your password was changed since.
field-to = To
field-email-notices = Email notices
help-email-notices = About secrets and API keys that are created, replaced, revoked or about to expire, and about sign-ins with a new browser.
link-mailed-text = We sent this link to { $email }. You can also pass it on through a channel only they can read.
column-reply = Last reply
action-mail-test = Test email sent
action-user-request-password-reset = Password reset requested
action-user-reset-password = Password reset by email
refusal-mail-is-off = No email is sent: no SMTP server is set up.
refusal-mail-is-full = There are too many pending emails. Wait until some of them were sent.
