import { SettingError } from '../settings/setting-error.ts'
import type { KeySource } from './key-source.ts'

/** Callers with JSON web tokens. */
export interface JwtAccess {
  /** Who issues the tokens: an https URL, under which its keys are found. */
  readonly issuer: string
  /** Whom tokens have to be for: one of these. */
  readonly audience: readonly string[]
  /**
   * Where the issuer's keys are; an HTTP API finds them by itself.
   * @default the issuer's /.well-known/jwks.json
   */
  readonly jwksUrl?: string
  /**
   * Scopes of which a token has to carry one.
   * @default any scope will do
   */
  readonly scopes?: readonly string[]
}

/** Who may call an endpoint. Exactly one way is to be chosen: an endpoint open to everybody has to be asked for. */
export interface AccessProps {
  /**
   * Callers with tokens of an issuer.
   * @default none
   */
  readonly jwt?: JwtAccess
  /**
   * Callers with AWS credentials that allow it, who sign their requests.
   * @default false
   */
  readonly iam?: boolean
  /**
   * Callers with keys of `espalier keys create`, which the service checks itself.
   * @default none
   */
  readonly keys?: KeySource
  /**
   * Everybody.
   * @default false
   */
  readonly open?: boolean
}

/** @throws SettingError where no way or more than one is chosen, or a token's issuer is no https URL */
export function checkAccess(
  endpoint: string,
  chosen: Readonly<Record<string, boolean>>,
  jwt: JwtAccess | undefined,
): void {
  const ways = Object.entries(chosen).filter(([, isChosen]) => isChosen)
  if (ways.length > 1) {
    const names = ways.map(([name]) => name).join(' and ')
    throw new SettingError(
      `${endpoint}: callers are to be known by ${names}; one endpoint takes one way: leave one of them out`,
    )
  }
  if (ways.length === 0) {
    const names = Object.keys(chosen).filter((name) => name !== 'open')
    throw new SettingError(
      `${endpoint}: nothing says who may call it; choose ${names.join(' or ')}, or "open" for everybody`,
    )
  }
  if (jwt === undefined) return
  if (!/^https:\/\/[^\s/?#]+[^\s?#]*$/.test(jwt.issuer)) {
    throw new SettingError(
      `${endpoint}: the issuer of tokens is "${jwt.issuer}"; it must be an https URL, as in the token's "iss"`,
    )
  }
  if (jwt.audience.length === 0) {
    throw new SettingError(`${endpoint}: the audience of tokens is missing, the token's "aud"`)
  }
}
