/** What the tests need of the CDK, of its diff and of the simulator of IAM: they lie outside of this package, where none is found. */

export { fullDiff, ResourceImpact } from '@aws-cdk/cloudformation-diff'
export { runSimulation } from '@cloud-copilot/iam-simulate'
export { App, Aspects, Stack, Validations } from 'aws-cdk-lib'
export { Match, Template } from 'aws-cdk-lib/assertions'
export { InterfaceVpcEndpoint } from 'aws-cdk-lib/aws-ec2'
export { CfnTaskDefinition } from 'aws-cdk-lib/aws-ecs'
export { SqsQueue } from 'aws-cdk-lib/aws-events-targets'
export { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
export { Key } from 'aws-cdk-lib/aws-kms'
export { CfnBucket } from 'aws-cdk-lib/aws-s3'
export { Secret } from 'aws-cdk-lib/aws-secretsmanager'
export { Queue } from 'aws-cdk-lib/aws-sqs'
