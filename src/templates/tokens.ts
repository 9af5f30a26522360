/** Injection token of the `TemplateFiles` that were read at start. */
export const TEMPLATE_FILES = Symbol('TEMPLATE_FILES');
