import { parseSecretArn } from '../../../../../shared/aws/address.ts'
import { SECRET_ARN } from '../../../../../shared/lib/config/access-fields.ts'
import { EspalierError } from '../../../../../shared/lib/errors.ts'
import { readKeyLines } from '../../../../../shared/lib/key-lines.ts'
import type { Boot } from '../../../../boot/types.ts'
import { type Check, type Finding, type Place, shellWord } from './check.ts'
import type { DeploymentNeeds, EndpointName } from './needs.ts'

/** A certificate for the name of an endpoint, issued and in the region of the deployment. */
export function certificateCheck(place: Place, name: EndpointName): Check {
  const { account, region } = place
  const { endpoint, domain, certificate } = name
  return {
    check: `${endpoint} certificate`,
    look: async (): Promise<Finding> => {
      const fix = `aws acm request-certificate --region ${region} --domain-name ${shellWord(domain)} --validation-method DNS`
      if (certificate === undefined) {
        return { status: 'missing', found: `${endpoint}.certificate is not set`, fix }
      }
      const lies = /^arn:aws:acm:([a-z0-9-]+):[0-9]{12}:certificate\//.exec(certificate)?.[1]
      if (lies === undefined) {
        const found = `${endpoint}.certificate is not the ARN of a certificate: ${certificate}`
        return { status: 'missing', found, fix }
      }
      if (lies !== region) {
        const found = `the certificate lies in ${lies}, and the API in ${region}`
        return { status: 'missing', found, fix }
      }
      const found = await account.certificate(certificate)
      if (found === null) return { status: 'missing', found: `there is no ${certificate}`, fix }
      if (!found.names.some((pattern) => covers(pattern, domain))) {
        const said = `it is for ${found.names.join(', ')}, not for ${domain}`
        return { status: 'missing', found: said, fix }
      }
      if (found.status !== 'ISSUED') {
        const records = `aws acm describe-certificate --region ${region} --certificate-arn ${certificate} --query 'Certificate.DomainValidationOptions[].ResourceRecord'`
        const said = `its status is ${found.status}; AWS issues it when the records of its names exist`
        return { status: 'missing', found: said, fix: records }
      }
      return { status: 'ok', found: `issued, for ${found.names.join(', ')}` }
    },
  }
}

/** `*` stands for one label, as browsers read it. */
function covers(pattern: string, domain: string): boolean {
  if (!pattern.startsWith('*.')) return pattern.toLowerCase() === domain.toLowerCase()
  const [, ...rest] = domain.toLowerCase().split('.')
  return rest.join('.') === pattern.slice(2).toLowerCase()
}

/** A public zone of Route 53 that the name of an endpoint lies in. */
export function domainCheck(
  { account }: Place,
  { endpoint, domain }: EndpointName,
  zone: DeploymentNeeds['zone'],
): Check {
  return {
    check: `${endpoint} domain`,
    look: async (): Promise<Finding> => {
      if (zone === undefined) {
        const found = `zone.id is not set: the deployment makes no record for ${domain}`
        const fix = `after the deployment, point ${domain} to the name that it prints`
        return { status: 'warning', found, fix }
      }
      const listed = 'aws route53 list-hosted-zones'
      const found = await account.zone(zone.id)
      if (found === null)
        return { status: 'missing', found: `there is no zone ${zone.id}`, fix: listed }
      if (found.isPrivate) {
        return { status: 'missing', found: `the zone ${found.name} is a private one`, fix: listed }
      }
      if (domain !== found.name && !domain.endsWith(`.${found.name}`)) {
        const said = `${domain} is not in the zone ${found.name}`
        return { status: 'missing', found: said, fix: listed }
      }
      if (zone.name !== undefined && zone.name !== found.name) {
        const fix = `set zone.name to ${found.name}`
        return { status: 'missing', found: `zone.name is ${zone.name}`, fix }
      }
      return { status: 'ok', found: `${domain} in the zone ${found.name}` }
    },
  }
}

/** A secret with lines of keys that can be read. Nothing of them is said but their number. */
export function keysCheck(
  { region }: Place,
  { setting, arn }: DeploymentNeeds['keys'][number],
  openSecret: Boot['openSecret'],
): Check {
  return {
    check: setting,
    look: async (): Promise<Finding> => {
      const another = `espalier aws keys create --name first --region ${region}`
      if (!SECRET_ARN.test(arn)) {
        const found = `${arn} is not the ARN of a secret, or of a parameter of SSM`
        return { status: 'missing', found, fix: another }
      }
      const address = parseSecretArn(arn)
      if (address.region !== region) {
        const found = `${arn} lies in another region than ${region}`
        return { status: 'missing', found, fix: another }
      }
      const secret = await openSecret(address, {})
      try {
        const found = await secret.read()
        const place = address.service === 'ssm' ? '--parameter' : '--secret'
        const fix = `espalier aws keys create --name first ${place} ${nameOf(arn)} --region ${region}`
        if (found === null) return { status: 'missing', found: `there is no ${arn}`, fix }
        const count = countKeys(found.text, arn)
        if (count === undefined) {
          const said = `${arn} has other text than the lines of "espalier keys create"`
          return { status: 'missing', found: said, fix: 'write one such line for each key into it' }
        }
        if (count > 0) return { status: 'ok', found: count === 1 ? '1 key' : `${count} keys` }
        return { status: 'warning', found: `${arn} has no keys: nobody may call`, fix }
      } finally {
        secret.close()
      }
    },
  }
}

/** Undefined where servers would refuse the text; why, a message might say with parts of a key. */
function countKeys(text: string, arn: string): number | undefined {
  try {
    return readKeyLines(text, arn).length
  } catch (error) {
    if (error instanceof EspalierError) return undefined
    throw error
  }
}

/** The name within an ARN; AWS adds six letters to that of a secret. */
function nameOf(arn: string): string {
  const parameter = /:parameter(\/.*)$/.exec(arn)?.[1]
  return shellWord(parameter ?? arn.replace(/^.*:secret:/, '').replace(/-[A-Za-z0-9]{6}$/, ''))
}

/** The endpoint of a network through which a private API is reached. */
export function vpcEndpointCheck({ account, region }: Place, id: string): Check {
  const service = `com.amazonaws.${region}.execute-api`
  return {
    check: 'vpc endpoint',
    look: async (): Promise<Finding> => {
      const fix = `aws ec2 create-vpc-endpoint --region ${region} --vpc-endpoint-type Interface --service-name ${service} --vpc-id VPC --subnet-ids SUBNETS --security-group-ids GROUP`
      const found = await account.vpcEndpoint(id)
      if (found === null) return { status: 'missing', found: `there is no ${id} in ${region}`, fix }
      if (found.service !== service) {
        return {
          status: 'missing',
          found: `${id} is for ${found.service}, not for ${service}`,
          fix,
        }
      }
      if (found.state.toLowerCase() !== 'available') {
        const said = `${id} is ${found.state}`
        return { status: 'missing', found: said, fix: 'wait until it is available' }
      }
      return { status: 'ok', found: `${id} is available` }
    },
  }
}
