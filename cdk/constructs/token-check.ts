import {
  type ApplicationListenerRule,
  type CfnListenerRule,
  ListenerAction,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import type { JwtAccess } from './access.ts'

/** What a load balancer does with requests whose token is good; others get 401 from itself. */
export function checkedAction(
  { issuer, jwksUrl }: JwtAccess,
  next: ListenerAction,
): ListenerAction {
  const jwksEndpoint = jwksUrl ?? `${issuer.replace(/\/$/, '')}/.well-known/jwks.json`
  return ListenerAction.authenticateJwt({ issuer, jwksEndpoint, next })
}

/** The construct checks signature, times and issuer; that a token is for us has to be added. */
export function checkClaims(rule: ApplicationListenerRule, { audience, scopes }: JwtAccess): void {
  const claims = [
    { Name: 'aud', Format: 'single-string', Values: [...audience] },
    ...(scopes ? [{ Name: 'scope', Format: 'space-separated-values', Values: [...scopes] }] : []),
  ]
  const resource = rule.node.defaultChild as CfnListenerRule
  resource.addPropertyOverride('Actions.0.JwtValidationConfig.AdditionalClaims', claims)
}
