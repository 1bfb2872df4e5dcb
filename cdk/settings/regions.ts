import { RegionInfo } from 'aws-cdk-lib/region-info'
import { SettingError } from './setting-error.ts'

/** @throws SettingError for what is no region of AWS, with the nearest by name */
export function checkRegion(region: string): string {
  const known = RegionInfo.regions.map(({ name }) => name)
  if (known.includes(region)) return region
  const area = region.split('-')[0] ?? ''
  const near = known.filter((name) => name.startsWith(`${area}-`))
  const list = (near.length > 0 ? near : known.filter((name) => name.endsWith('-1'))).join(', ')
  throw new SettingError(`region is "${region}", which AWS does not have; there are ${list}`)
}
