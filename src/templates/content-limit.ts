import type { ContentLevel } from '../recipients/content-level.js';
import type { SpeechMatch } from '../rules/rule.js';
import type { TranscriptFacts } from '../transcripts/facts.js';
import { cutText, previewSource } from '../transcripts/preview.js';
import type { Digest, DigestItem } from './digest.js';

/** What of a message's data tells what was said, or leads to it. */
export interface Content {
  transcript?: TranscriptFacts;
  matches: SpeechMatch[];
  /** URL of the transcript page. */
  link?: string;
  digest?: Digest;
}

/** Characters of an excerpt. */
const EXCERPT = 240;

/**
 * What a template may see for a recipient's content level, so that no template can show more. Numbers stay (duration, words, speakers):
 * that there was a call is what every level tells.
 */
export function limitContent(content: Content, level: ContentLevel = 'full'): Content {
  if (level === 'full') return content;
  const { transcript, matches, link, digest } = content;
  return {
    matches: level === 'preview' ? matches : [],
    ...(transcript && { transcript: level === 'preview' ? excerptOf(transcript) : wordless(transcript) }),
    ...(digest && { digest: { ...digest, items: digest.items.map((item) => limitItem(item, level)) } }),
    ...(link !== undefined && level !== 'fact' && { link }),
  };
}

/** Nothing of what was said may be shown. */
export function withholdsWords(level: ContentLevel | undefined): boolean {
  return level === 'link' || level === 'fact';
}

function limitItem({ preview, url, ...item }: DigestItem, level: ContentLevel): DigestItem {
  return {
    ...item,
    ...(preview !== undefined && !withholdsWords(level) && { preview }),
    ...(url !== undefined && level !== 'fact' && { url }),
  };
}

function excerptOf(transcript: TranscriptFacts): TranscriptFacts {
  const text = cutText(previewSource(transcript), EXCERPT);
  return { ...wordless(transcript), text, topics: transcript.topics, intents: transcript.intents };
}

function wordless({ summary: _summary, sentiment: _sentiment, ...transcript }: TranscriptFacts): TranscriptFacts {
  return { ...transcript, text: '', utterances: [], topics: [], intents: [], entities: [], search: [] };
}
