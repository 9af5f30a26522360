/** What the API's documentation shows of jobs; shapes are those of job-view.ts and job-timeline.store.ts. */

const OPTIONS = { model: 'nova-3', smart_format: true, diarize_model: 'latest', utterances: true };
const TAGS = { client: 'acme', email: 'dana@example.com' };
const AUDIO = { type: 'string', format: 'binary' };

const REQUEST = {
  type: 'object',
  properties: {
    options: { type: 'object', description: 'Deepgram options by name; repeatable ones as lists', example: OPTIONS },
    preset: { type: 'string', description: 'Named options of the presets file; `options` win', example: 'phone-call' },
    tags: { type: 'object', additionalProperties: { type: 'string' }, example: TAGS },
  },
};

/** The three forms of `POST /v1/jobs`. */
export const SUBMIT_BODY = {
  required: true,
  content: {
    'application/json': {
      schema: {
        ...REQUEST,
        required: ['audio'],
        properties: {
          audio: { type: 'object', required: ['url'], properties: { url: { type: 'string', format: 'uri' } } },
          ...REQUEST.properties,
        },
      },
      example: { audio: { url: 'https://example.com/call.mp3' }, options: OPTIONS, tags: TAGS },
    },
    'audio/*': { schema: { ...AUDIO, description: 'Options as query parameters, tags as tag.NAME=value' } },
    'application/octet-stream': { schema: AUDIO },
    'multipart/form-data': {
      schema: { type: 'object', required: ['audio'], properties: { request: REQUEST, audio: AUDIO } },
    },
  },
};

const JOB = {
  id: '01933333-3333-7333-8333-333333333333',
  state: 'completed',
  origin: 'api',
  audio: { kind: 'upload', bytes: 189237, contentType: 'audio/ogg', name: 'call.ogg', kept: false },
  options: OPTIONS,
  preset: null,
  tags: TAGS,
  requestId: '7f6d1f6e-5c0e-4f5b-9a58-2f1f7b2f3c11',
  failure: null,
  attempts: 1,
  nextAttemptAt: null,
  lastError: null,
  createdAt: '2026-11-01T09:00:00.000Z',
  submittedAt: '2026-11-01T09:00:00.400Z',
  deadlineAt: null,
  resubmissions: 0,
  overdueAt: null,
  settledAt: '2026-11-01T09:00:07.200Z',
  contentDroppedAt: null,
};

const json = (description: string, example: unknown) => ({
  description,
  content: { 'application/json': { schema: { type: 'object' as const }, example } },
});

export const SUBMITTED = json('Taken; Deepgram is called after this answer. Location names the job', {
  ...JOB,
  state: 'pending',
  requestId: null,
  attempts: 0,
  submittedAt: null,
  settledAt: null,
  warnings: [],
});

const EVALUATION = {
  id: '01933333-6666-7333-8333-333333333333',
  on: 'transcript.completed',
  outcome: 'matched',
  ruleId: '01933333-7777-7333-8333-333333333333',
  ruleName: 'refund-risk',
  ruleVersion: 3,
  matched: true,
  conditions: [{ text: "speech.by('1').says('refund')", result: true, matches: [] }],
  matches: [{ text: 'refund', speaker: '1', channel: 0, start: 28.8, end: 29.2 }],
  skipped: [],
  at: '2026-11-01T09:00:07.200Z',
};

export const EVALUATION_PAGE = json('In the order of the rules', { items: [EVALUATION], nextCursor: EVALUATION.id });

export const ONE_JOB = json('The job with everything that came of it', {
  ...JOB,
  transcriptId: JOB.id,
  duration: 62,
  submissions: [{ requestId: JOB.requestId, submittedAt: JOB.submittedAt }],
  callbacks: [{ id: '01933333-4444-7333-8333-333333333333', state: 'settled', reason: null, bytes: 51500, repeats: 0 }],
  evaluations: [EVALUATION],
  evaluationsOmitted: 0,
  deliveries: [
    {
      id: '01933333-5555-7333-8333-333333333333',
      channel: 'email',
      to: 'dana@example.com',
      alsoFor: [],
      state: 'sent',
    },
  ],
});

export const JOB_PAGE = json('Newest first', { items: [JOB], nextCursor: JOB.id });
