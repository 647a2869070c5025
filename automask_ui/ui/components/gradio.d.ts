/** What Gradio gives to the script of a component, which runs as the body of a function. Only the type checker reads this. */

declare const element: HTMLElement;
declare const props: any;
declare function trigger(event: string, payload?: object): void;
declare function watch(prop: string, run: () => void): void;
