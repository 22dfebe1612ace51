import type { TdQuote } from '../../abi/td-quote.js';
import type { TdReport } from '../../abi/td-report.js';
import { shortfallText, type TdxTcb } from '../../verify/tdx/tcb.js';
import { type Field, field, hexOrZero, type Section } from '../output/table.js';

const DEBUG = 1;

/** The quote's fields for people: those that decide, all of them when `everything` is asked for. */
export function tdQuoteSections(quote: TdQuote, everything: boolean): Section[] {
  const debug = ((quote.tdAttributes[0] ?? 0) & DEBUG) !== 0;
  const decisive: Field[] = [
    ...field('MRTD', quote.mrtd),
    ...field('report data', quote.reportData),
    ...field('TEE TCB SVN', quote.teeTcbSvn),
    ...field('TEE TCB SVN now', quote.teeTcbSvn2),
    ...field('debugging', debug ? 'POSSIBLE: the host can read this TD' : 'not possible', { alert: debug }),
  ];
  const rest: Field[] = [
    ...field('MRCONFIGID', hexOrZero(quote.mrconfigid)),
    ...field('MROWNER', hexOrZero(quote.mrowner)),
    ...field('MROWNERCONFIG', hexOrZero(quote.mrownerconfig)),
    ...quote.rtmrs.flatMap((rtmr, index) => field(`RTMR${index}`, hexOrZero(rtmr))),
    ...field('MRSEAM', quote.mrseam),
    ...field('TD attributes', quote.tdAttributes),
    ...field('XFAM', quote.xfam),
    ...(quote.mrservicetd === undefined ? [] : field('MRSERVICETD', hexOrZero(quote.mrservicetd))),
    ...field('MRENCLAVE of the quoting enclave', quote.qeReport.mrenclave),
  ];
  return [{ title: `TD quote, version ${quote.version}`, fields: everything ? [...decisive, ...rest] : decisive }];
}

/** A TDREPORT's fields: what the TD quote made of it proves, and nothing of which this proves. */
export function tdReportSection(report: TdReport, everything: boolean): Section {
  const debug = ((report.tdAttributes[0] ?? 0) & DEBUG) !== 0;
  return {
    title: 'TDREPORT',
    fields: [
      ...field('MRTD', report.mrtd),
      ...field('report data', report.reportData),
      ...field('TEE TCB SVN', report.teeTcbSvn),
      ...field('debugging', debug ? 'POSSIBLE: the host can read this TD' : 'not possible', { alert: debug }),
      ...(everything ? report.rtmrs.flatMap((rtmr, index) => field(`RTMR${index}`, hexOrZero(rtmr))) : []),
      ...(everything ? [...field('MRSEAM', report.mrseam), ...field('XFAM', report.xfam)] : []),
      ...(everything ? field('CPUSVN', report.cpusvn) : []),
    ],
  };
}

/** What Intel says of the platform, in words. */
export function tdxTcbSection(tcb: TdxTcb): Section {
  const { shortfall = [] } = tcb;
  return {
    title: 'Trusted computing base',
    fields: [
      ...field('status', tcb.status, { alert: tcb.status !== 'UpToDate' }),
      ...field('platform', tcb.platform),
      ...field('TDX module', tcb.tdxModule),
      ...field('quoting enclave', tcb.qe),
      ...field('status of what is installed now', tcb.current),
      ...(shortfall.length === 0 ? [] : field('below every level', shortfallText(shortfall), { alert: true })),
      ...field('of', tcb.tcbDate?.toISOString().slice(0, 10)),
      ...field('advisories', tcb.advisoryIds.join(', ') || 'none'),
      ...field('FMSPC', tcb.fmspc),
      ...field('evaluation number', tcb.evaluationDataNumber),
      ...field('collateral until', tcb.collateralExpires.toISOString()),
    ],
  };
}
