const STATUS = { unauthorized: 401, invalid_token: 401, insufficient_scope: 403, temporarily_unavailable: 503 }

/** The reason why a request is refused. `temporarily_unavailable` says nothing about the credential. */
export class Refusal extends Error {
  constructor(code, { scope, cause } = {}) {
    super(code, { cause })
    this.name = 'Refusal'
    this.code = code
    this.status = STATUS[code]
    this.scope = scope
  }
}

/** The value of WWW-Authenticate (RFC 6750 section 3, RFC 9728 section 5.1). */
export function challenge({ code, scope }, resourceMetadata) {
  if (code === 'temporarily_unavailable') return undefined
  const parameters = []
  // A request without a credential gets no error code (RFC 6750 section 3.1).
  if (code !== 'unauthorized') parameters.push(`error="${code}"`)
  if (scope) parameters.push(`scope="${scope}"`)
  if (resourceMetadata) parameters.push(`resource_metadata="${resourceMetadata}"`)
  return `Bearer ${parameters.join(', ')}`.trimEnd()
}
