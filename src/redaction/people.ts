/** Where names and addresses of people are known from. */
export interface Known {
  transcript?: { entities: readonly { label: string; value: string }[]; speakers: readonly { label: string }[] };
  recipient?: { name?: string };
}

/** A contact may also be a duty: `on-call`, `billing`. A name of a person begins with a capital, in each word. */
const PERSON = /^\p{Lu}[\p{L}\p{M}.'’-]*(?: \p{Lu}[\p{L}\p{M}.'’-]*)*$/u;
const NAME_LABEL = /name|person/i;
/** `EMAIL_ADDRESS`, `IP_ADDRESS` and the like are found as what they are. */
const ADDRESS_LABEL = /^(?!.*(?:email|ip_)).*(?:address|street)/i;
const UNNAMED_SPEAKER = /^speaker \S{1,12}$/i;

/** @param contacts names of the directory's contacts */
export function peopleIn(
  { transcript, recipient }: Known,
  contacts: readonly string[],
): { names: string[]; addresses: string[] } {
  const entities = transcript?.entities ?? [];
  const labels = transcript?.speakers.map(({ label }) => label) ?? [];
  const names = [
    ...contacts.filter((name) => PERSON.test(name)),
    ...(recipient?.name !== undefined && PERSON.test(recipient.name) ? [recipient.name] : []),
    ...labels.filter((label) => !UNNAMED_SPEAKER.test(label)),
    ...entities.filter(({ label }) => NAME_LABEL.test(label)).map(({ value }) => value),
  ];
  const addresses = entities.filter(({ label }) => ADDRESS_LABEL.test(label)).map(({ value }) => value);
  return { names: [...new Set(names)], addresses: [...new Set(addresses)] };
}
