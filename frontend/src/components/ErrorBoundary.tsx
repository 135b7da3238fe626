import { Component, type ReactNode } from "react";

/** Replaces the page if rendering it failed. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    if (!this.state.failed) return this.props.children;
    return (
      <main className="page-failed">
        <div className="notice" data-tone="bad" role="alert">
          <p className="notice-title">This page has failed</p>
          <p>Your leases are not affected. Reload the page to see them again.</p>
          <div className="notice-actions">
            <button type="button" className="button" onClick={() => window.location.reload()}>
              Reload
            </button>
          </div>
        </div>
      </main>
    );
  }
}
