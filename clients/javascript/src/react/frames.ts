/** Draws at most once per animation frame, however often it is asked to. */

const HIDDEN = 200; // milliseconds; a page that is not seen gets no animation frames

export class Frames {
  readonly #draw: () => void;
  #cancel: (() => void) | undefined;

  constructor(draw: () => void) {
    this.#draw = draw;
  }

  request(): void {
    if (this.#cancel) return;
    const draw = (): void => {
      this.cancel();
      this.#draw();
    };
    const frame = requestAnimationFrame(draw);
    const timer = document.hidden ? setTimeout(draw, HIDDEN) : undefined;
    this.#cancel = () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
