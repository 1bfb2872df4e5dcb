// An application of the CDK that lies outside of the clone: models in a bucket, and an endpoint on Lambda.
// npm install espalier-cdk aws-cdk-lib constructs, then: cdk synth --app "node app.mjs"
import { App, CfnOutput, Stack } from 'aws-cdk-lib'
import { CpuApi, ModelStore, ServiceImage } from 'espalier-cdk'

// Built once by `docker build --target cpu` in a clone and pushed to a repository of yours: docs/containers.md.
const image = ServiceImage.fromDigest(
  process.env.ESPALIER_IMAGE ??
    `123456789012.dkr.ecr.eu-west-1.amazonaws.com/espalier@sha256:${'0'.repeat(64)}`,
)

const app = new App()
const stack = new Stack(app, 'Embeddings', { env: { region: 'eu-west-1' } })
const store = new ModelStore(stack, 'Models')
const api = new CpuApi(stack, 'Api', { store, image, iam: true })
new CfnOutput(stack, 'Url', { value: api.url })
app.synth()
