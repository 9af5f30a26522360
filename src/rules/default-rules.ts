import type { RuleDefinition } from './rule.js';

/**
 * Rules that exist after the first start, so that Herald does something useful before anyone configures it. Their conditions
 * ask for the tag although an absent tag would only skip the recipient: "has(job.tags.email) is false" explains more.
 */
export const DEFAULT_RULES: readonly RuleDefinition[] = [
  {
    name: 'email-on-completion',
    description: 'An e-mail to the address in the tag "email" when a transcript is ready.',
    enabled: true,
    on: 'transcript.completed',
    when: 'has(job.tags.email)',
    actions: [{ channel: 'email', to: ['{{job.tags.email}}'], template: 'transcript-ready' }],
    stop: false,
    order: 100,
  },
  {
    name: 'sms-preview',
    description: 'A one-segment SMS to the number in the tag "phone" when a transcript is ready.',
    enabled: true,
    on: 'transcript.completed',
    when: 'has(job.tags.phone)',
    actions: [{ channel: 'sms', to: ['{{job.tags.phone}}'], template: 'transcript-ready', preview: { segments: 1 } }],
    stop: false,
    order: 100,
  },
  {
    name: 'failure-to-operator',
    description: 'An e-mail to the contact "operator" when a transcription fails.',
    enabled: true,
    on: 'transcript.failed',
    when: 'true',
    actions: [{ channel: 'email', to: ['contact:operator'], template: 'transcript-failed' }],
    stop: false,
    order: 100,
  },
  {
    name: 'overdue-to-operator',
    description: 'An e-mail to the contact "operator" when Herald gives up waiting for a transcript.',
    enabled: true,
    on: 'job.overdue',
    when: 'true',
    actions: [{ channel: 'email', to: ['contact:operator'], template: 'transcript-late' }],
    stop: false,
    order: 100,
  },
  {
    name: 'late-to-client',
    description: 'An e-mail to the address in the tag "email" that the transcript is late. Off until you enable it.',
    enabled: false,
    on: 'job.overdue',
    when: 'has(job.tags.email)',
    actions: [{ channel: 'email', to: ['{{job.tags.email}}'], template: 'transcript-late' }],
    stop: false,
    order: 100,
  },
];
