# The portal in English. A message is named by what it is for; the French file has the same names.

## Numbers, dates and spans of time

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
day = { $day } { month } { $year }
moment = { $day } { month } { $year }, { $hour }:{ $minute } UTC
clock = { $hour }:{ $minute }
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

skip = Skip to the content
menu = Menu
above = You are here
sign-out = Sign out
copy = Copy
copied = Copied
optional = (optional)
cancel = Cancel
save = Save
edit = Edit
delete = Delete
more = More
older = Older entries
filter = Show
never = never
none = none
nothing = nothing
nobody = nobody
now = now
command-line = command line
application = Application
api-key = API key
scope = Scope
to-field = Go to the field
to-start = To the start page
try-again = Try again
send-again = Send again
at-once = at once
without-end = without end
required = required
not-required = not required
as-numbers = As numbers
request-id = Request id:
column-actions = Actions
shown-once = This is shown once. Copy it now and keep it in a safe place: nobody can show it again.

## Menu

menu-now = Now
menu-developers = Developers
menu-account = Account
menu-server = Server
menu-overview = Overview
menu-applications = Applications
menu-api-keys = API keys
menu-registration-tokens = Registration tokens
menu-accounts = Accounts
menu-people = People
menu-audit = Audit
menu-resource-servers = Resource servers
menu-signing-keys = Signing keys
menu-profile = Your sign-in

## Columns

column-name = Name
column-id = Id
column-client-id = Client ID
column-account = Account
column-scope = Scope
column-state = State
column-made = Made
column-made-by = Made by
column-last-used = Last used
column-ends = Ends
column-key = Begins with
column-secret = Secret
column-token = Token
column-issued = Issued
column-when = When
column-why = Why
column-what = What
column-who = Who
column-target = Which
column-address = From
column-request = Request id
column-browser = Browser
column-signed-in = Signed in
column-last-seen = Last seen
column-uses-left = Uses left
column-kid = Key ID (kid)
column-algorithm = Algorithm
column-signs-from = Signs from
column-signs-until = Signs until
column-published-until = Published until
column-introspects-with = Introspects as

## Fields

field-text = Name or client ID
field-email = E-mail address
field-password = Password
field-current = Current password
field-new = New password
field-code = Code
field-name = Name
field-account = Account
field-role = Role
field-scope = Scope
field-rights = Rights
field-more-scope = Other scope
field-resources = Resource servers
field-auth-method = How it authenticates
field-jwks = Public keys (JWK Set)
field-introspect = May introspect tokens
field-expires-in = Ends after
field-allowed-ips = Allowed IP addresses
field-manage-keys = May manage the application’s keys
field-grace = The old one stays good for
field-identifier = Identifier
field-uses = Uses
field-action = What
field-actor = Who
field-target = Which
field-required = Required
field-now = At once
field-link = Link

## Getting in

sign-in = Sign in
sign-in-help = No account yet, or the password forgotten? Your administrator can make you a link to set one.
go-on = Continue
second-factor = Second factor
help-code = Six digits from your authenticator app, or one of your recovery codes.
help-first-code = The six digits that the app shows now.
help-password = At least 10 characters. A few words that mean something to you alone are good.
help-own-password = The password that you sign in with.
help-link = Paste the link that you were given.
wrong-codes = Check your account
wrong-codes-count = { $count ->
    [one] One wrong code of the second factor was entered elsewhere since you last signed in.
   *[other] { $count } wrong codes of the second factor were entered elsewhere since you last signed in.
}
wrong-codes-text = If that was not you, somebody knows your password. Change it now.
invitation = Set your password
invitation-text = This link is for you alone, and works once.
invitation-gone = This link no longer works
invitation-gone-text = It was used, replaced by a newer one, or has ended. Ask whoever sent it for a new one.
set-password = Set the password
kept = Nothing was lost
kept-text = You are signed in again. Nothing was changed yet; this is what you had typed.
kept-leave = Leave it, and go to the start page
form-signed-out = Your session has ended. Sign in again: what you typed is kept.
form-other-session = This form is from an earlier session, or cookies are off. Nothing was changed.
done-signed-out = You have signed out.
done-password-set = The password is set. Sign in with it.

## Your sign-in

change-password = Change the password
change-password-text = All your other sessions end with it.
second-factor-text = With a code from an app on your phone as well, a stolen password is not enough.
second-factor-set-up = Set up the second factor
second-factor-first = Your account requires a second factor. Set it up to go on.
second-factor-app = Open an authenticator app on your phone, or install one. Any that knows TOTP will do.
second-factor-scan = Scan this picture with it, or type the secret below.
second-factor-picture = The secret of the second factor as a QR code; as text it stands below
second-factor-type = Secret
second-factor-confirm = Confirm
second-factor-on = on
second-factor-required = Your account requires it.
second-factor-anew = Set it up on another phone
second-factor-remove = Turn the second factor off
recovery-codes = Recovery codes
recovery-codes-left = { $count ->
    [0] No recovery code is left: make new ones.
    [one] One recovery code is left: make new ones soon.
   *[other] { $count } recovery codes are left.
}
recovery-codes-text = Each gets you in once when the phone is not at hand. Print them, or keep them in a password manager.
recovery-codes-renew = Make new recovery codes
recovery-codes-kept = I have kept them
sessions = Your sessions
session-end = End
this-one = this one
done-password-changed = The password is changed. All other sessions have ended.
done-second-factor = The second factor is on.
done-second-factor-there = The second factor is on already. If the recovery codes are lost, make new ones below.
done-second-factor-removed = The second factor is off.
done-session-ended = The session has ended.

## Applications

applications-none = No applications yet
applications-none-text = An application is a program that calls APIs with tokens or API keys. Make one for each program and each environment, so that each can be changed and ended by itself.
all-accounts = All accounts
applications-not-found = None found
applications-not-found-text = No application has this in its name, or for its client ID.
application-new = New application
application-new-text = It gets a client ID, a client secret and a first API key, which are shown once.
application-create = Make the application
application-made = The application is ready
application-about = About
application-authentication = Authentication
help-application-name = What people will look for, such as “Order import, production”.
reach-nothing = Nothing can be given yet: an operator has to give your account its first scope and resource servers.
help-resources = The APIs that it may get tokens for.
help-scope = What it may ask for there.
scope-undescribed = Check the scope for typing errors: none of the resource servers has { $unknown }. They have: { $known }.
help-more-scope = Words with a space between, beyond those above.
rights = Management API
help-rights = What it can do in Keyward itself. Select the management API above as well.
help-auth-method = With a secret is simplest. With a key of its own, no secret ever travels.
help-jwks = Only for a key of its own: the public keys, as JSON.
help-introspect = It may ask whether tokens for its resource servers are in force.
method-client-secret-basic = client secret (Basic header)
method-client-secret-post = client secret (in the body)
method-private-key-jwt = signed assertion (private_key_jwt)
enabled = enabled
disabled = disabled
disabled-by-operator = disabled by an operator
disabled-by-operator-text = An operator disabled this application. Only an operator can enable it again.
introspects = introspects
enable = Enable
disable = Disable
client-secret = Client secret
first-token = Get a token
first-key = First API key
to-application = To the application
done-application-created = The application is made.
done-application-deleted = The application is deleted. Its secrets, keys and tokens are refused from now on.
done-saved = Saved.
done-already = That form was sent twice: it was done the first time.
done-disabled = The application is disabled: everything that it presents is refused.
done-enabled = The application is enabled.
done-tokens-revoked = All its tokens are revoked.
as-it-is = As it is now
registration-access = Registration access token
registration-access-text = This application registered itself. Whoever has its registration access token can change what it registered, or delete it.
registration-access-none = This application registered itself. It has no registration access token, so it can’t change what it registered.
registration-access-made = New registration access token
registration-access-uri = Client configuration endpoint
done-registration-access-revoked = Registration access token revoked.
ask-renew-registration-token = Renew registration access token
ask-renew-registration-token-text = { $name } gets a new registration access token, shown once. The current one stops working immediately.
ask-revoke-registration-token = Revoke registration access token
ask-revoke-registration-token-text = { $name } keeps working, but can no longer change or delete its registration. You can create a new token at any time.
ask-disable = Disable the application
ask-disable-text = { $name }: its secrets, API keys and tokens are refused at once, everywhere. Enabling it again brings back what has not ended.
ask-delete = Delete the application
ask-delete-text = { $name }: its secrets, API keys and tokens are refused at once, everywhere, for good.
ask-revoke-tokens = Revoke all tokens
ask-revoke-tokens-text = { $name }: all tokens issued until now are refused at once. It can get new ones with its secret.
failures = Recent failures
failures-none = No recent failures.
tokens = Live tokens
tokens-none = No token that has not ended.
tokens-off = This server keeps no records of tokens.
tokens-more = Only the newest are shown.
revoke-all = Revoke all tokens
revoked = revoked
live = live

## Quick start

quick-start = Quick start
quick-start-text = A first token in your language. The secret is not in it: secrets belong in the environment, not in code.
quick-start-languages = Languages
quick-start-secret = Put the client secret in the environment. It was shown when it was made; if it is lost, make another.
quick-start-environment = Environment
quick-start-prepare = Prepare
quick-start-save = Save this as { $file }
quick-start-run = Run it
quick-start-none = This client gets no tokens: it only introspects those of others.
quick-start-assertion = This application authenticates with a signed assertion (RFC 7523). Sign a JWT with its private key and send it to the token endpoint as client_assertion, with these values.
token-endpoint = Token endpoint

## Client secrets

secrets = Client secrets
secrets-text = With a secret and the client ID the application gets tokens. Several can be good at the same time, so that one can be replaced without a gap.
secrets-none = No secret
secrets-none-text = Without one the application cannot authenticate.
secrets-rotate = Rotate
secrets-rotate-text = Makes a new secret. All others end by themselves after a while.
secret-new = Another secret
secret-new-text = Beside those that there are: move over, then delete the old one.
secret-create = Make a secret
secret-made = The secret is made
secret-delete = Delete the secret
secret-delete-which = Delete the secret { $id }
secret-delete-text = Whatever authenticates with it is refused from then on. Tokens that were issued stay good until they end.
secret-last = It is the only one: until there is another, the application cannot get tokens.
to-secrets = To the secrets
done-secret-deleted = The secret is deleted.

## API keys

keys-text = An API key is presented straight to an API. Make one for each place that uses it, so that each can be replaced by itself.
keys-of = API keys of { $name }
keys-choose = Whose keys?
keys-none = No API keys
keys-none-text = Make the first one below.
keys-one-left = This is the only key, so it can’t be revoked. To replace it, rotate it. If it has leaked, rotate it and end the old key at once.
keys-full = { $count ->
    [one] One key is the most
   *[other] { $count } keys are the most
}
keys-full-text = Look at “Last used” for one that nobody uses any more, and revoke it. Then there is room for a new one.
key-new = New key
key-create = Make the key
key-made = The key is made
key-rotated = The new key is made
key-named = { $name }
key-limits = Limits: end, scope, addresses
key-try = Try it
ready-header = Header for each request
to-keys = To the keys
replaced = replaced
manages-keys = manages keys
ended = ended
rotate = Rotate
revoke = Revoke
rotate-key = Rotate { $name }
rotate-text = A new key takes its name, scope and addresses. The old one ends by itself after a while.
help-grace = Long enough to move everything over.
key-last-used = Last used { $when }.
key-never-used = Never used.
revoke-key = Revoke { $name }
revoke-text = Whatever uses it is refused from then on, everywhere. This cannot be undone.
help-key-name = What uses it, such as “Nightly import”.
help-key-scope = None ticked: all that the application may.
help-allowed-ips = Addresses or ranges such as 203.0.113.0/24, one a line. Empty: from anywhere.
help-manage-keys = It can make and end keys by /apiKeys. Keep such a key apart from those that call APIs.
done-key-revoked = The key is revoked: it is refused from now on.

## People

person-invite = Invite somebody
person-invite-text = You get a link to pass on, with which they set their own password.
person-invited = invited, ends
person-active = active
person-no-password = cannot sign in yet
person-remove = Remove
person-remove-who = Remove { $email }
person-remove-text = { $email } can no longer sign in, and all their sessions end. What they made stays.
person-yourself = This is you: your password and second factor are here.
help-role = Viewers see applications. Developers manage applications and keys. Administrators manage people too.
help-person-account = Operators belong to no account: for them this is not looked at.
role-operator = Operator
role-administrator = Administrator
role-developer = Developer
role-viewer = Viewer
role-change = Role
link = Link
link-made = The link is made
link-text = Pass this link on to { $email }, by a way that only they can read.
link-lifetime = It works once, within { $span }.
link-new = New link
link-new-text = For somebody who has lost the password, or the link. An earlier link ends.
second-factor-reset = Reset the second factor
second-factor-reset-text = For somebody who has lost both the phone and the recovery codes. Make sure that it is them.
policy-on = Everybody in this account needs a second factor to sign in.
policy-off = A second factor is up to each person.
policy-turn-on = Require it
policy-turn-off = Do not require it
to-people = To the people
done-person-removed = They are removed.

## Accounts

accounts-none = No accounts yet
accounts-none-text = An account is a partner: it has its own people and applications.
account-new = New account
account-create = Make the account
help-account-name = The partner’s name.
done-account-created = The account is made. Give it a first application, and invite somebody.

## Resource servers

resources-none = No resource servers yet
resources-none-text = A resource server is an API that accepts tokens and keys. Its identifier is the audience of its tokens.
resource-new = New resource server
resource-new-text = It gets a client of its own to introspect with.
resource-create = Make the resource server
resource-made = The resource server is made
resource-made-text = With these the API asks whether a token or a key is in force.
resource-delete = Delete the resource server
resource-delete-text = { $identifier } and the client that it introspects with are deleted.
help-identifier = A URI, such as https://orders.example/. It cannot be changed.
help-resource-scope = What applications can ask for, with a space between.
field-token-typ = Token type
help-token-typ = The typ header of its tokens. Choose JWT if the API’s library refuses at+jwt, as Spring Security does.
typ-at-jwt = at+jwt (RFC 9068)
typ-jwt = JWT
introspect-line = Introspect a token
to-resource-servers = To the resource servers
done-resource-deleted = The resource server is deleted.

## Registration tokens

registration-text = With such a token a program registers itself as an application (RFC 7591), within what the token allows.
registration-none = No registration tokens
registration-none-text = Make one where applications are set up by machines.
registration-new = New registration token
registration-create = Make the token
registration-made = The registration token is made
registration-token = Registration token
registration-line = Register an application
registration-delete = Delete the registration token
registration-delete-text = No application can register with it from then on. Those that did stay.
help-registration-scope = The most that such an application can have.
help-uses = How many applications can register with it. Empty: any number.
any-number = any number
used-up = used up
to-registration-tokens = To the registration tokens
done-registration-deleted = The registration token is deleted.

## Signing keys

signing-keys-text = Access tokens are signed with these. A new key is published before it signs, and an old one stays published until its last token has ended.
signing-keys-line = Over time
signing-key-rotate = Rotate
signing-key-rotate-text = A new key is published now, and signs once every resource server can have it.
key-state-published = published
key-state-signing = signing
key-state-retiring = retiring
key-state-gone = gone
retire = Retire
retire-key = Retire { $kid }
retire-text = Another key takes over once every resource server can have it. What this one signed stays good until it ends.
retire-now-text = Only where the private key has leaked: at once. All its tokens are refused from then on.
retire-now = At once
done-signing-key-rotated = The new key is published.
done-signing-key-retired = The key is retired.

## Audit

audit-none = Nothing
audit-none-text = No entry is like that.
all-actions = Everything
action-account-create = Account made
action-account-update = Account changed
action-api-key-create = API key made
action-api-key-delete = API key revoked
action-api-key-revoke = API key revoked by its text
action-api-key-rotate = API key rotated
action-authentication-failure = Authentication failed
action-client-create = Application made
action-client-delete = Application deleted
action-client-disable = Application disabled
action-client-enable = Application enabled
action-client-renew-registration-token = Registration access token renewed
action-client-revoke-registration-token = Registration access token revoked
action-client-update = Application changed
action-clock-reset = Last moment seen by the nodes reset; all tokens revoked
action-database-restore = Database restored from a backup
action-registration-token-create = Registration token made
action-registration-token-delete = Registration token deleted
action-resource-create = Resource server made
action-resource-update = Resource server changed
action-resource-delete = Resource server deleted
action-sealing-key-prune = Old sealing keys removed
action-sealing-key-reset = Sealing key replaced after a loss
action-sealing-key-rotate = Sealing key rotated
action-secret-create = Client secret made
action-secret-delete = Client secret deleted
action-secret-rotate = Client secrets rotated
action-session-create = Signed in
action-session-end = Session ended
action-session-failure = Sign-in failed
action-signing-key-create = Signing key created
action-signing-key-import = Signing key imported
action-signing-key-retire = Signing key retired
action-signing-key-rotate = Signing key rotated
action-signing-key-update = Signing key published for longer
action-token-refused = Token refused
action-token-revoke = Token revoked
action-token-revoke-all = All tokens revoked
action-user-accept-invitation = Invitation accepted
action-user-change-password = Password changed
action-user-create = Person made
action-user-delete = Person removed
action-user-invite = Link made
action-user-remove-second-factor = Second factor turned off
action-user-renew-recovery-codes = Recovery codes renewed
action-user-reset-second-factor = Second factor reset
action-user-set-password = Password set
action-user-set-role = Role changed
action-user-set-second-factor = Second factor set up
action-verification-refused = Request refused at the proxy (/verify)

## Overview

as-of = As of { $when } UTC.
pause = Pause refreshing
resume = Refresh again
last-hour = The last hour
last-day = The last 24 hours
tokens-issued = Tokens
introspections = Introspections
verifications = Checks at /verify
failures-count = Failures
token-p95 = Token, 95 %
introspection-p95 = Introspection, 95 %
p50 = half within
p95 = 95 % within
chart-rate = Tokens, introspections and checks per minute
chart-failures = Failures per minute
chart-token-times = Token requests, ms
chart-introspection-times = Introspections, ms
chart-day = Tokens, introspections and checks per hour
chart-day-failures = Failures per hour
top-clients = Busiest applications
top-none = No traffic yet
top-none-text = Applications appear here once they get tokens or use their API keys.

## What went wrong

failed-not-found = Not found
failed-not-found-text = There is no such page, or not for you.
failed-unavailable = The database cannot be reached
failed-unavailable-text = Nothing was changed. It usually comes back by itself in a moment.
failed-kept = What you typed is kept here; try again in a moment.
failed-too-many = Too many requests
failed-too-many-text = Wait a moment, then try again.
failed-denied = Not allowed
failed-denied-text = Your role does not allow this. Ask an administrator of your account.
failed-fault = Something went wrong here
failed-fault-text = It is in the log, under the request id below.
failed-refused = That could not be done
failed-refused-text = The request cannot be understood.

error-changed-meanwhile = Somebody changed it while this form was open. Look at how it is now; saving again takes what you typed.
error-client-beyond-you = The application has rights that you have not.
error-disabled-by-operator = An operator disabled this application, so only an operator can enable it.
error-client-introspects = The resource server { $resource } introspects with it; delete that instead.
error-clients-full = { $most ->
    [one] This account can have one application. Ask an operator to raise the limit.
   *[other] This account can have { $most } applications. Ask an operator to raise the limit.
}
error-code-wrong = The code is wrong, or was used already.
error-current-password-wrong = That is not your current password.
error-email-reserved = You can’t use this email address here. Use another one, or ask an operator.
error-email-taken = There is somebody with this address already.
error-email-unusable = That is no e-mail address.
error-end-in-past = The end must lie in the future.
error-form-stale = The form is out of date: begin again.
error-identifier-reserved = This address belongs to Keyward itself. Use the address of your own API.
error-identifier-unusable = An identifier is a URI such as https://orders.example/, without a fragment.
error-introspection-beyond-you = Only an operator lets an application introspect.
error-introspection-moves = This application can introspect tokens, so only an operator can give it other resource servers.
error-invitation-gone = The link was used, replaced or has ended.
error-ip-unusable = One of these is no IP address and no range such as 203.0.113.0/24.
error-jwks-missing = A signed assertion needs the public keys.
error-jwks-unusable = That is no JWK Set with usable public keys.
error-key-gone = There is no such API key: it was revoked, or has ended.
error-key-rotated = This key was rotated already.
error-keys-full = { $most ->
    [one] One key is the most: revoke it first.
   *[other] { $most } keys are the most: revoke one first.
}
error-last-key = The last key can’t be revoked. Rotate it instead: if it has leaked, end the old key at once.
error-management-of-registrant = Applications that register themselves can’t use the management API.
error-name-invisible = A name has no space at its ends and no invisible characters.
error-name-length = A name has between one and { $most } characters.
error-name-taken = This name is taken.
error-no-secrets-used = The application authenticates without secrets.
error-not-there = There is no { $name }.
error-not-yourself = This is yourself: let somebody else do it.
error-operator-role = Only operators make operators, and an operator belongs to no account.
error-other-site = This form was sent by another site. Nothing was changed.
error-pair-beyond-account = None of your account’s applications has the scope { $scope } for { $resource }: ask an operator.
error-pairs-too-many = This combines too many scopes and resource servers for one application. Create several applications instead.
error-password-same = That is your current password.
error-password-unusable = A password has at least 10 characters, five of them different, at most 1,024 bytes, and is not your e-mail address.
error-password-common = This is, or resembles, one of the most common passwords. Choose a few words that mean something to you alone.
error-password-date = Dates and years are easy to guess. Choose a few words that mean something to you alone.
error-password-guessable = This password is easy to guess. Add another word or two.
error-password-keyboard = Keys that are next to each other on the keyboard are easy to guess. Choose a few words that mean something to you alone.
error-password-personal = The password contains your e-mail address or the name of this service. Choose a few words that nobody would expect of you.
error-password-repeated = A password that repeats the same characters is easy to guess. Choose a few different words.
error-password-sequence = Sequences such as abc or 1234 are easy to guess. Choose a few words that mean something to you alone.
error-person-gone = There is no such person here.
error-resource-beyond-account = None of your account’s applications may use { $resource }: ask an operator.
error-resource-in-use = { $count ->
    [one] One application may use it: change that first.
   *[other] { $count } applications may use it: change them first.
}
error-right-beyond-you = You don’t have the right { $right }, so you can’t grant it.
error-right-of-registrant = Applications that register themselves can’t have the right { $right }.
error-right-of-resource-server = Scopes that start with “keyward:” are reserved. Rename { $right }.
error-right-unknown = There is no right { $right }. Scopes that start with “keyward:” are reserved.
error-right-without-management = To use the right { $right }, the application also needs the resource { $resource }.
error-role-beyond-you = This role has the right { $right }, which you don’t have.
error-scope-beyond-account = None of your account’s applications has the scope { $scope } without a resource server: select one, or ask an operator.
error-scope-beyond-client = The application does not have all of this scope.
error-scope-unusable = A scope is words without quotes and backslashes, with a space between.
error-second-factor-there = There is a second factor already.
error-second-factor-locked = Too many wrong codes were entered. Use a recovery code, or ask an administrator for a link to set a new password.
error-secrets-full = { $most ->
    [one] One secret is the most: delete it first.
   *[other] { $most } secrets are the most: delete one first.
}
error-session-over = Your session has ended meanwhile. Sign in again.
error-sign-in-wrong = The e-mail address or the password is wrong.
error-span-unusable = That is no span of time.
error-too-many-failures = { $seconds ->
    [one] Too many wrong attempts. Try again in one second.
   *[other] Too many wrong attempts. Try again in { $seconds } seconds.
}
error-too-many-reports = Too many slow requests from your account at once. Try again in a few seconds.
error-user-beyond-you = This person has rights that you don’t have.
error-unregistered = This application didn’t register itself, so it has no registration access token.
error-uses-missing = The number of uses is one or more.

## The same for whatever has no words of its own, by its code

error-invalid-request = The request cannot be understood.
error-invalid-client = Authentication failed.
error-unauthorized-client = The application may not do this.
error-unsupported-response-type = This response type is not supported.
error-unsupported-grant-type = There is no such grant.
error-invalid-scope = That scope cannot be.
error-invalid-target = That resource server cannot be used.
error-invalid-token = The token is not in force.
error-insufficient-scope = Your role does not allow this.
error-invalid-client-metadata = These values cannot be.
error-invalid-redirect-uri = That redirect URI cannot be.
error-access-denied = Your role does not allow this.
error-not-found = There is nothing here.
error-method-not-allowed = This page cannot be asked for like that.
error-conflict = It clashes with what is there.
error-precondition-failed = It was changed meanwhile.
error-idempotency-key-reused = This form was sent before, with other values.
error-temporarily-unavailable = The service cannot answer now.
error-server-error = Something went wrong here.

## Why an authentication failed

reason-no-authentication = no client authentication in the request
reason-unreadable-authorization = unreadable Authorization header
reason-secret-without-client = client_secret without client_id
reason-unknown-client = unknown client
reason-client-disabled = the application is disabled
reason-wrong-method = the application is registered with { $method }
reason-not-a-secret = what was presented is no client secret, or mistyped
reason-no-such-secret = no secret { $id }: deleted, or of another application
reason-wrong-secret = wrong secret, under the id { $id }
reason-secret-ended = the secret { $id } ended { $at }
reason-assertion-not-a-jwt = the assertion is no JWT
reason-assertion-algorithm = the assertion is signed with an algorithm that is not taken
reason-assertion-critical-header = the assertion has a critical header that is not understood
reason-assertion-no-keys = the application has no keys
reason-assertion-keys-unreadable = the application’s keys are unreadable
reason-assertion-keys-unreachable = the application’s keys cannot be fetched
reason-assertion-no-usable-key = none of the application’s keys can verify an assertion
reason-assertion-no-fitting-key = the application has no key that fits the assertion
reason-assertion-wrong-signature = the signature of the assertion is not by the application’s key
reason-assertion-unreadable = the assertion is unreadable
reason-assertion-wrong-client = iss and sub of the assertion are not the client ID
reason-assertion-wrong-audience = aud of the assertion is { $aud }, and not the issuer alone
reason-assertion-for-token-endpoint = aud of the assertion is the token endpoint instead of the issuer; set the issuer in the application, or ask an operator to turn on assertion_for_token_endpoint
reason-assertion-ended = { $seconds ->
    [one] the assertion ended one second ago
   *[other] the assertion ended { $seconds } seconds ago
}
reason-assertion-too-long = the assertion ends in { $seconds } seconds, and { $most } is the most
reason-assertion-not-begun = { $seconds ->
    [one] the assertion begins in one second
   *[other] the assertion begins in { $seconds } seconds
}
reason-assertion-used = the assertion has served before
reason-no-initial-token = no initial access token
reason-unknown-initial-token = unknown initial access token
reason-wrong-initial-token = wrong initial access token
reason-initial-token-ended = the initial access token has ended
reason-initial-token-used-up = the initial access token is used up
reason-no-registration-token = no registration access token
reason-wrong-registration-token = wrong registration access token
reason-not-registered-by-itself = unknown application, or one that did not register itself
reason-token-too-long = too long for a token
reason-not-a-token = no JWT
reason-token-header-unreadable = the token’s header is unreadable
reason-token-wrong-type = the token is not of the type at+jwt or JWT
reason-token-critical-header = the token has a critical header that is not understood
reason-token-unknown-key = the token is signed by an unknown key
reason-token-signing-key-retired = the token’s signing key is retired
reason-token-wrong-algorithm = the token’s algorithm is not that of its key
reason-token-signature-unreadable = the token’s signature is unreadable
reason-token-wrong-signature = wrong signature of the token
reason-token-claims-unreadable = the token’s claims are unreadable
reason-token-of-another-issuer = the token is of another issuer
reason-token-ended = the token has ended
reason-token-ended-by-later-clock = the token has ended; the server’s clock is more than a day behind
reason-token-revoked = the token is revoked
reason-all-tokens-revoked = all of the application’s tokens were revoked
reason-token-api-key-ended = the API key that it was exchanged for has ended
reason-token-without-record = there is no record of such a token
reason-not-a-key = no API key, or mistyped
reason-no-such-key = no such API key
reason-key-revoked = the API key { $name } was revoked
reason-wrong-key = wrong API key
reason-key-ended = the API key has ended
reason-address-not-allowed = presented from an address that is not allowed
reason-scope-malformed = asked for a scope that is not well-formed
reason-scope-not-allowed = asked for scope that it may not have: { $scope }
reason-resource-not-allowed = asked for a resource server that it may not use: { $resource }
reason-grant-type-not-allowed = asked for a grant type that it may not use: { $grant_type }
reason-insufficient-scope = the request needed the scope { $scope }
reason-wrong-resource-server = presented to { $resource }, which it is not meant for
reason-wrong-password = wrong e-mail address or password
reason-wrong-current-password = wrong current password
reason-wrong-second-factor = wrong code of the second factor
reason-second-factor-locked = the second factor is locked after too many wrong codes
reason-failures-left-out = { $count } more failures by unknown callers were not recorded
reason-owner-deleted = the application is deleted
reason-owner-disabled = the application is disabled
reason-not-for-caller = not meant for whoever asked
