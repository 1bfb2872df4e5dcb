/** Partitions of AWS beside the first one, by how the names of their regions begin. */
const OTHERS = [
  ['cn-', 'aws-cn'],
  ['us-gov-', 'aws-us-gov'],
  ['us-iso-', 'aws-iso'],
  ['us-isob-', 'aws-iso-b'],
  ['us-isof-', 'aws-iso-f'],
  ['eu-isoe-', 'aws-iso-e'],
  ['eusc-', 'aws-eusc'],
] as const

/** The partition of a region of China, GovCloud, the isolated regions or the European Sovereign Cloud; null elsewhere. */
export function otherPartitionOf(region: string): string | null {
  return OTHERS.find(([beginning]) => region.startsWith(beginning))?.[1] ?? null
}

/** Why nothing can be deployed to a region of another partition. */
export function describeOtherPartition(region: string, partition: string): string {
  return (
    `region is "${region}", of the partition ${partition}; these stacks work in the partition aws alone: ` +
    'their ARNs begin with arn:aws:, and their images come from amazonaws.com'
  )
}
