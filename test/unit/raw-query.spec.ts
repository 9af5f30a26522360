import { describe, expect, it } from '@jest/globals';
import { OptionInvalidError } from '../../src/errors.js';
import { parseRawQuery } from '../../src/jobs/raw-query.js';

describe('the query of a raw upload', () => {
  it('is split into preset, tags and options', () => {
    const query = { preset: 'calls', 'tag.client': 'acme', 'tag.a.b': 'c', model: 'nova-3', diarize: 'true' };
    expect(parseRawQuery(query)).toEqual({
      preset: 'calls',
      tags: { client: 'acme', 'a.b': 'c' },
      options: { model: 'nova-3', diarize: true },
    });
  });

  it('names no preset when none was given', () => {
    expect(parseRawQuery({})).toEqual({ options: {}, tags: {} });
  });

  it('hands a repeated option on with all its values', () => {
    expect(parseRawQuery({ keyterm: ['one', 'two'] }).options).toEqual({ keyterm: ['one', 'two'] });
  });

  it.each(['preset', 'tag.client'])('refuses %s when it was given twice', (name) => {
    let fault: unknown;
    try {
      parseRawQuery({ [name]: ['a', 'b'] });
    } catch (error) {
      fault = error;
    }
    expect(fault).toBeInstanceOf(OptionInvalidError);
    expect(fault).toMatchObject({ message: `${name} was given 2 times`, errors: [{ pointer: name }] });
  });
});
