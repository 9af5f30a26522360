export interface Cluster {
  /** Ends in the host and port, without a database name. */
  url: string;
  /** Of its first process. */
  pid(): number;
  /** Ends it in the middle of its work; its files stay. */
  crash(): Promise<void>;
  /** Starts it again on its files. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** @param options.lasting a commit survives a crash */
export function startCluster(options?: { lasting?: boolean }): Promise<Cluster>;
