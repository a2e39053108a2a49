// Gets an access token and prints it. The client secret is in CLIENT_SECRET.

const secret = process.env.CLIENT_SECRET
if (!secret) throw new Error('CLIENT_SECRET is not set')

const response = await fetch('{{token_endpoint}}', {
  method: 'POST',
  headers: { Authorization: 'Basic ' + btoa('{{client_id}}:' + secret) },
  body: new URLSearchParams({
    grant_type: 'client_credentials',
    scope: '{{scope}}',
    resource: '{{resource}}',
  }),
  signal: AbortSignal.timeout(10_000),
})
const answer = await response.json()
if (response.ok) {
  console.log(answer.access_token)
} else {
  console.error(`${answer.error}: ${answer.error_description}`)
  process.exitCode = 1
}

// Send it with each request in the header: Authorization: Bearer TOKEN
// The resource server that accepts it: {{audience}}
