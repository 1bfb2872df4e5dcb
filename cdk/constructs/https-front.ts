import { Duration } from 'aws-cdk-lib'
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager'
import { type IPeer, type IVpc, Peer, Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2'
import {
  ApplicationListenerRule,
  ApplicationLoadBalancer,
  ApplicationProtocol,
  ApplicationTargetGroup,
  ListenerAction,
  ListenerCondition,
  SslPolicy,
  TargetType,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { ARecord, RecordTarget } from 'aws-cdk-lib/aws-route53'
import { LoadBalancerTarget } from 'aws-cdk-lib/aws-route53-targets'
import type { Bucket } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import { SettingError } from '../settings/setting-error.ts'
import type { JwtAccess } from './access.ts'
import { acknowledge } from './acknowledge.ts'
import { AsleepRules, type AsleepRulesProps, RULE_PRIORITY } from './asleep-rules.ts'
import { type DomainProps, zoneOf } from './domain.ts'
import { API_PATHS, DESCRIPTION_PATH, PathRegex, PROBE_PATHS } from './listener-conditions.ts'
import { createLogBucket } from './private-bucket.ts'
import { checkClaims, checkedAction } from './token-check.ts'

/** How the door is made. */
export interface HttpsFrontProps {
  readonly vpc: IVpc
  readonly domain: DomainProps
  /** Whether the door opens into the network only. */
  readonly isPrivate: boolean
  /** Who reaches the door at all; everybody where it is empty. */
  readonly allowFrom: readonly IPeer[]
  /** Tokens that the load balancer checks before anything reaches the service. */
  readonly jwt: JwtAccess | undefined
  /** Who answers while there is no task; undefined where nobody does. */
  readonly asleep: Pick<AsleepRulesProps, 'hasKeys' | 'fallback' | 'wakes'> | undefined
}

/** Longer than a request may take, and shorter than the service keeps a connection open. */
const IDLE = Duration.seconds(60)

/** A load balancer that speaks HTTPS, with two groups of targets between which a deployment moves the traffic. */
export class HttpsFront extends Construct {
  readonly loadBalancer: ApplicationLoadBalancer
  readonly rule: ApplicationListenerRule
  readonly blue: ApplicationTargetGroup
  readonly green: ApplicationTargetGroup
  readonly asleep: AsleepRules | undefined
  readonly url: string

  constructor(scope: Construct, id: string, props: HttpsFrontProps) {
    super(scope, id)
    const { vpc, domain, isPrivate, jwt, asleep } = props
    if (!isPrivate && vpc.publicSubnets.length === 0) {
      throw new SettingError(
        'GpuApi: the network has no public subnets; name some, or make the API private',
      )
    }
    const door = new SecurityGroup(this, 'Door', {
      vpc,
      description: 'Espalier: who reaches the API',
    })
    const peers = props.allowFrom.length > 0 ? props.allowFrom : [everybody(isPrivate, vpc)]
    for (const peer of peers) door.addIngressRule(peer, Port.tcp(443), 'HTTPS')
    this.loadBalancer = new ApplicationLoadBalancer(this, 'LoadBalancer', {
      vpc,
      internetFacing: !isPrivate,
      vpcSubnets: isPrivate ? undefined : { subnetType: SubnetType.PUBLIC },
      securityGroup: door,
      idleTimeout: IDLE,
      dropInvalidHeaderFields: true,
    })
    this.loadBalancer.logAccessLogs(this.#accessLogs())
    this.blue = this.#targets('Blue', vpc)
    this.green = this.#targets('Green', vpc)
    const listener = this.loadBalancer.addListener('Https', {
      port: 443,
      protocol: ApplicationProtocol.HTTPS,
      sslPolicy: SslPolicy.RECOMMENDED_TLS,
      certificates: [Certificate.fromCertificateArn(this, 'Certificate', domain.certificateArn)],
      open: false,
      defaultAction: ListenerAction.fixedResponse(404),
    })
    const forward = ListenerAction.weightedForward([
      { targetGroup: this.blue, weight: 100 },
      { targetGroup: this.green, weight: 0 },
    ])
    this.rule = new ApplicationListenerRule(this, 'Rule', {
      listener,
      priority: RULE_PRIORITY.awake,
      conditions: [
        ListenerCondition.hostHeaders([domain.name]),
        // What anybody may ask for must not look like work where a task runs for as long as there is work.
        new PathRegex(asleep?.wakes ? [API_PATHS] : [API_PATHS, PROBE_PATHS, DESCRIPTION_PATH]),
      ],
      action: jwt ? checkedAction(jwt, forward) : forward,
    })
    if (jwt) checkClaims(this.rule, jwt)
    this.asleep =
      asleep &&
      new AsleepRules(this, 'Asleep', {
        ...asleep,
        loadBalancer: this.loadBalancer,
        listener,
        jwt,
        host: domain.name,
      })
    this.url = `https://${domain.name}`
    const zone = zoneOf(this, domain)
    if (zone) {
      new ARecord(this, 'Record', {
        zone,
        recordName: domain.name,
        target: RecordTarget.fromAlias(new LoadBalancerTarget(this.loadBalancer)),
      })
    }
    acknowledge(
      door,
      'A public API is reached from everywhere; callers are known by tokens or keys.',
      ['EC23'],
    )
  }

  #targets(id: string, vpc: IVpc): ApplicationTargetGroup {
    return new ApplicationTargetGroup(this, id, {
      vpc,
      port: 8080,
      protocol: ApplicationProtocol.HTTP,
      targetType: TargetType.IP,
      deregistrationDelay: Duration.seconds(30),
      healthCheck: {
        path: '/readyz',
        interval: Duration.seconds(10),
        timeout: Duration.seconds(5),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 3,
      },
    })
  }

  #accessLogs(): Bucket {
    const bucket = createLogBucket(this, 'AccessLogs')
    acknowledge(bucket, 'It holds access logs itself; a log of who wrote the log has no end.', [
      'S1',
    ])
    return bucket
  }
}

function everybody(isPrivate: boolean, vpc: IVpc): IPeer {
  return isPrivate ? Peer.ipv4(vpc.vpcCidrBlock) : Peer.anyIpv4()
}
