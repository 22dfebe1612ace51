import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';

/** OpenTelemetry's own SDK, which keeps what it is given instead of sending it anywhere. */
export class Recorder {
  readonly #exporter = new InMemorySpanExporter();
  readonly provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.#exporter)] });

  get spans(): ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  clear(): void {
    this.#exporter.reset();
  }

  named(name: string): ReadableSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  /** The one span of this name. */
  one(name: string): ReadableSpan {
    const [span, ...others] = this.named(name);
    if (span === undefined || others.length > 0) throw new Error(`${others.length + (span ? 1 : 0)} spans ${name}`);
    return span;
  }

  children(parent: ReadableSpan): ReadableSpan[] {
    return this.spans
      .filter((span) => span.parentSpanContext?.spanId === parent.spanContext().spanId)
      .sort((a, b) => time(a.startTime) - time(b.startTime));
  }

  /** The names of a span's children, each once. */
  childNames(parent: ReadableSpan): string[] {
    return [...new Set(this.children(parent).map(({ name }) => name))].sort();
  }
}

/** Nanoseconds. */
export const time = ([seconds, nanoseconds]: ReadableSpan['startTime']): number => seconds * 1e9 + nanoseconds;

/** Everything that leaves the process with a span. */
export function exported(spans: readonly ReadableSpan[]): string {
  return JSON.stringify(
    spans.map(({ name, attributes, events, status, links, resource }) => [
      name,
      attributes,
      events,
      status,
      links,
      resource.attributes,
    ]),
  );
}
