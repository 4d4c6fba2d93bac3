export {
  type SqsBatchResponse,
  type SqsEvent,
  sqsHandler,
  type SqsOptions,
  type SqsRecord,
} from './sqs-lambda.ts';
export { pollSqs, type SqsClient, type SqsPollOptions } from './sqs-poll.ts';
