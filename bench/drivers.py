"""How each tool of peers.py does a job: what its own pages show, with its cache on. Runs in the tool's environment.

    python bench/drivers.py TOOL FOLDER JOB

JOB is a `job.Job` as JSON. What the job took, without the imports, is written to FOLDER/seconds.
"""

import base64
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from job import Job

Drive = Callable[[Path, Job], object]


def tetrad() -> Drive:
    """The generate door."""
    import door

    return door.answers


def datatrove() -> Drive:
    """An InferenceRunner with checkpoints, which bring the cache of requests."""
    from datatrove.data import Document
    from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
    from datatrove.pipeline.writers import JsonlWriter

    def main(folder: Path, job: Job) -> None:
        names = job.names()

        async def rollout(document: Document, generate: Any) -> Any:
            content: Any = document.text
            if names:
                url = "data:image/jpeg;base64," + _base64(job, names[int(document.id)])
                content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": content}]
            messages = [{"role": "user", "content": content}]
            return (await generate({"messages": messages, "temperature": 1.0, "max_tokens": 512})).text

        settings = InferenceConfig(
            server_type="endpoint",
            model_name_or_path="model",
            endpoint_url=job.url.removesuffix("/v1"),
            max_concurrent_generations=job.concurrency,
        )
        runner = InferenceRunner(
            rollout_fn=rollout,
            config=settings,
            output_writer=JsonlWriter(str(folder / "out"), output_filename="${rank}_${chunk_index}.jsonl"),
            checkpoints_local_dir=str(folder / "checkpoints"),
            records_per_chunk=500,
        )
        runner.run(Document(text=question, id=str(n)) for n, question in enumerate(job.questions()))

    return main


def _base64(job: Job, name: str) -> str:
    return base64.b64encode((Path(job.images or "") / name[:2] / name).read_bytes()).decode()


def data_designer() -> Drive:
    """One column of text, over a seed data set that holds the images in base64."""
    import data_designer.config as dd
    import pandas as pd
    from data_designer.interface.data_designer import DataDesigner

    def main(folder: Path, job: Job) -> None:
        columns: dict[str, list[str]] = {"question": job.questions()}
        if job.images:
            columns["image"] = [_base64(job, name) for name in job.names()]
        pd.DataFrame(columns).to_parquet(folder / "seed.parquet")
        settings = dd.ChatCompletionInferenceParams(
            temperature=1.0, max_tokens=512, max_parallel_requests=job.concurrency
        )
        model = dd.ModelConfig(alias="m", model="model", provider="bench", inference_parameters=settings)
        image = dd.ImageContext(
            column_name="image", data_type=dd.ModalityDataType.BASE64, image_format=dd.ImageFormat.JPEG
        )
        column = dd.LLMTextColumnConfig(
            name="answer",
            model_alias="m",
            prompt="{{ question }}",
            multi_modal_context=[image] if job.images else None,
        )
        builder = dd.DataDesignerConfigBuilder(model_configs=[model])
        builder.with_seed_dataset(dd.LocalFileSeedSource(path=str(folder / "seed.parquet")))
        builder.add_column(column)
        provider = dd.ModelProvider(name="bench", endpoint=job.url, api_key="none")
        designer = DataDesigner(artifact_path=folder / "artifacts", model_providers=[provider])
        designer.create(builder, num_records=job.requests, dataset_name="bench", resume=dd.ResumeMode.IF_POSSIBLE)

    return main


def distilabel() -> Drive:
    """One task, its batch as large as what may be under way, with its cache on."""
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration, TextGenerationWithImage

    def main(folder: Path, job: Job) -> None:
        rows: list[dict[str, str]] = [{"instruction": question} for question in job.questions()]
        for row, name in zip(rows, job.names(), strict=False):
            row["image"] = _base64(job, name)
        with Pipeline(name="bench", cache_dir=folder / "cache") as pipeline:
            settings = {"temperature": 1.0, "max_new_tokens": 512}
            llm = OpenAILLM(model="model", base_url=job.url, api_key="none", generation_kwargs=settings)
            load = LoadDataFromDicts(data=rows, batch_size=job.concurrency)
            if job.images:
                task = TextGenerationWithImage(llm=llm, image_type="base64", input_batch_size=job.concurrency)
            else:
                task = TextGeneration(llm=llm, input_batch_size=job.concurrency)
            load >> task
        pipeline.run(use_cache=True)

    return main


TOOLS: dict[str, Callable[[], Drive]] = {
    "tetrad": tetrad,
    "datatrove": datatrove,
    "data_designer": data_designer,
    "distilabel": distilabel,
}
"""Tool to what imports all it needs, and returns what does a job in a folder."""


def main(tool: str, folder: Path, job: Job) -> None:
    """Do the job in this process."""
    work = TOOLS[tool]()
    started = time.monotonic()
    work(folder, job)
    (folder / "seconds").write_text(str(time.monotonic() - started))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Job(**json.loads(sys.argv[3])))
