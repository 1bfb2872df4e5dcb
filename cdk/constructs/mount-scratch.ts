import type { ContainerDefinition, TaskDefinition } from 'aws-cdk-lib/aws-ecs'

/** The one folder that a container writes to; the image's cache of graphs is under its read-only root. */
export const SCRATCH = '/tmp'

/** Gives a container with a read-only root the folder that it writes to, for as long as the task lives. */
export function mountScratch(task: TaskDefinition, container: ContainerDefinition): void {
  task.addVolume({ name: 'scratch' })
  container.addMountPoints({ sourceVolume: 'scratch', containerPath: SCRATCH, readOnly: false })
}
