import { Controller, Get, Header, Redirect } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from './api-key.guard.js';
import { errorsPage } from './problem.js';

/** Where the `type` of a problem leads. The rest of /docs is served by the Swagger page. */
@Public()
@ApiExcludeController()
@Controller()
export class DocsController {
  /** Whoever opens the address in a browser. */
  @Get()
  @Redirect('/docs', 302)
  home(): void {
    // The decorator answers.
  }

  @Get('docs/errors')
  @Header('Content-Type', 'text/html; charset=utf-8')
  errors(): string {
    return errorsPage();
  }
}
