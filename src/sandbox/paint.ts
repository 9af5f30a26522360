/** Marks for a terminal; every one is the text itself when the output is not for a terminal. */
export interface Paint {
  bold: (text: string) => string;
  dim: (text: string) => string;
  good: (text: string) => string;
  bad: (text: string) => string;
  mark: (text: string) => string;
  link: (text: string) => string;
}

/** @param colours false for files, pipes and people who set NO_COLOR */
export function createPaint(colours: boolean): Paint {
  const style = (on: number, off: number) => (text: string) =>
    colours ? `\u001b[${String(on)}m${text}\u001b[${String(off)}m` : text;
  return {
    bold: style(1, 22),
    dim: style(2, 22),
    good: style(32, 39),
    bad: style(31, 39),
    mark: style(33, 39),
    link: style(36, 39),
  };
}

// eslint-disable-next-line no-control-regex -- the escape character is what is looked for
const ESCAPES = /\u001b\[\d+m/g;

/** Characters that a terminal shows. */
export function shownLength(text: string): number {
  return Array.from(text.replace(ESCAPES, '')).length;
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - shownLength(text)));
}

/** Breaks text between words; a word that is longer than a line keeps its own. What fits is left as it is. */
export function wrap(text: string, width: number): string[] {
  if (shownLength(text) <= width) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && shownLength(line) + 1 + shownLength(word) > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
