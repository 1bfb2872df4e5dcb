import { RegionInfo } from 'aws-cdk-lib/region-info'
import { describeOtherPartition } from '../../shared/deployment/partitions.ts'
import { SettingError } from './setting-error.ts'

/** @throws SettingError for what is no region of AWS, with the nearest by name, and for regions outside of the partition aws */
export function checkRegion(region: string): string {
  const known = RegionInfo.regions.map(({ name }) => name)
  if (known.includes(region)) return checkPartition(region)
  const area = region.split('-')[0] ?? ''
  const near = known.filter((name) => name.startsWith(`${area}-`))
  const list = (near.length > 0 ? near : known.filter((name) => name.endsWith('-1'))).join(', ')
  throw new SettingError(`region is "${region}", which AWS does not have; there are ${list}`)
}

/** China, GovCloud, the isolated regions and the European Sovereign Cloud are partitions of their own. */
function checkPartition(region: string): string {
  const { partition } = RegionInfo.get(region)
  if (partition === 'aws') return region
  throw new SettingError(describeOtherPartition(region, partition ?? 'unknown'))
}
