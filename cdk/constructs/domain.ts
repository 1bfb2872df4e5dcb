import { HostedZone, type IHostedZone } from 'aws-cdk-lib/aws-route53'
import type { Construct } from 'constructs'

/** A name of one's own for an endpoint. */
export interface DomainProps {
  /** Such as `models.example.com`. */
  readonly name: string
  /** A certificate for the name, in the endpoint's region. */
  readonly certificateArn: string
  /**
   * The zone of Route 53 in which the name is made.
   * @default the name is made elsewhere, to point at what the stack puts out
   */
  readonly zone?: { readonly id: string; readonly name: string }
}

/** The zone of a domain, without looking it up. */
export function zoneOf(scope: Construct, { zone }: DomainProps): IHostedZone | undefined {
  if (zone === undefined) return undefined
  const attributes = { hostedZoneId: zone.id, zoneName: zone.name }
  return HostedZone.fromHostedZoneAttributes(scope, 'Zone', attributes)
}
